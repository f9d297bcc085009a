// SPDX-License-Identifier: Apache-2.0
#include "actions/remedy/vault_step_run.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "actions/backup/vault_client.h"
#include "core/net/send_and_wait.h"
#include "core/time/duration.h"

namespace actions::remedy {

using backup::ActiveVault;
using core::Errc;
using core::fail;
using core::Result;
using core::net::Request;
using core::net::Response;

namespace {

// The node's clock is not ours.
constexpr core::Duration kVaultClockDiffers = std::chrono::seconds(30);

// What sys/health answers of one that could become the active node: a standby, or a performance standby.
constexpr int kStandby = 429;
constexpr int kPerformanceStandby = 473;

}  // namespace

Result<void> VaultStepRun::check_standby(const std::string& active) {
  std::string reasons;
  for (const std::string& url : step_.cluster.urls) {
    if (url == active) continue;
    const Result<Response> response =
        core::net::send_and_wait(around_.http, backup::vault_request(step_.cluster, url, "/v1/sys/health"), task_.stop);
    if (response && (response->status == kStandby || response->status == kPerformanceStandby)) return {};
    reasons += "; " + (response ? fmt::format("{}: HTTP status {}", url, response->status) : response.error().message);
  }
  return fail(Errc::kUnavailable, "no other node could take over{}", reasons);
}

StepFinished VaultStepRun::step_down() {
  const Result<std::string> token = backup::read_vault_token(step_.cluster);
  if (!token) return failed(token.error().message);
  const Result<ActiveVault> before = backup::find_active(step_.cluster, around_.http, task_.stop);
  if (!before) return failed(before.error().message);
  if (auto others = check_standby(before->url); !others) return failed(others.error().message);
  Request request = backup::vault_request(step_.cluster, before->url, "/v1/sys/step-down");
  request.method = "PUT";
  request.headers.emplace_back("X-Vault-Token", *token);
  if (!step_.name_space.empty()) request.headers.emplace_back("X-Vault-Namespace", step_.name_space);
  const Result<Response> response = core::net::send_and_wait(around_.http, std::move(request), task_.stop);
  if (response && response->status / 100 == 4) {
    return failed(fmt::format("{}: step-down: {}", before->url, backup::told_by_vault(*response)));
  }
  // Whatever was answered, or was not: who is active then is what counts.
  StepFinished finished = look_until(around_, deadline_, 1, task_.stop, [&]() -> Sight {
    const Result<ActiveVault> now = backup::find_active(step_.cluster, around_.http, task_.stop);
    if (!now) return {Sight::Kind::kNotYet, now.error().message};
    const bool anew = now->since && before->since && *now->since > *before->since;
    const bool done = now->url != before->url || anew;
    return {done ? Sight::Kind::kDone : Sight::Kind::kNotYet,
            fmt::format("{} is the active node{}", now->url, done && anew ? " since then" : "")};
  });
  const bool odd = !response || response->status / 100 != 2;
  if (finished.outcome == Outcome::kFailed && odd) {
    finished.result += "; " + (response ? backup::told_by_vault(*response) : response.error().message);
  }
  return finished;
}

// The file is there when it is whole, and not before.
StepFinished VaultStepRun::take_snapshot() {
  const std::string partial = step_.file + ".partial";
  const Result<backup::RaftArchive> archive =
      backup::fetch_raft_snapshot(step_.cluster, partial, step_.timeout, around_.clock, task_.stop);
  if (!archive) {
    (void)std::remove(partial.c_str());
    return failed(archive.error().message);
  }
  if (std::rename(partial.c_str(), step_.file.c_str()) != 0) {
    return failed(fmt::format("{}: {}", step_.file, std::strerror(errno)));
  }
  return succeeded(fmt::format("{}: index {}, term {}, {} bytes of state", step_.file, archive->index, archive->term,
                               archive->state_bytes));
}

StepFinished VaultStepRun::carry_out() {
  if (auto right = step_.check_words(); !right) return failed(right.error().message);
  StepFinished finished = step_.action == VaultAction::kStepDown ? step_down() : take_snapshot();
  return task_.stop.stop_requested() ? stopped() : finished;
}

StepSeen VaultStepRun::look() {
  StepSeen seen;
  Result<ActiveVault> now = backup::find_active(step_.cluster, around_.http, task_.stop);
  // Between two leaders there is none for a moment.
  while (!now && around_.clock.steady_now() < deadline_ && wait_for(around_.poll, task_.stop)) {
    now = backup::find_active(step_.cluster, around_.http, task_.stop);
  }
  if (!now) {
    seen.why = now.error().message;
    return seen;
  }
  if (!now->since || !task_.started) {
    seen.why = now->url + " is the active node and does not say since when";
    return seen;
  }
  seen.why = fmt::format("{} is the active node since {}", now->url, core::format_rfc3339(*now->since));
  const core::Duration after = *now->since - *task_.started;
  if (after > kVaultClockDiffers) seen.happened = Verdict::kYes;
  if (after < -kVaultClockDiffers) seen.happened = Verdict::kNo;
  return seen;
}

}  // namespace actions::remedy
