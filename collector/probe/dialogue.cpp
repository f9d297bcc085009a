// SPDX-License-Identifier: Apache-2.0
#include "collector/probe/dialogue.h"

#include <array>

#include "collector/probe/tls_metrics.h"

namespace collector::probe {
namespace {

// The longest line; as long as the reference's line buffer.
constexpr std::size_t kLineBytesMax = 64 << 10;
constexpr std::size_t kReadBytes = 4096;

// What was read and not yet used: lines and counted bytes come out of one buffer.
//
// Thread safety: confined to the loop's thread.
class Incoming {
 public:
  explicit Incoming(Stream& stream) : stream_(stream) {}

  // The next line without its end; false at the end of the connection.
  core::Task<Outcome<bool>> line(std::string& out) {
    std::size_t seen = 0;
    while (true) {
      const std::size_t end = buffer_.find('\n', seen);
      if (end != std::string::npos) {
        out = buffer_.substr(0, end);
        buffer_.erase(0, end + 1);
        if (out.ends_with('\r')) out.pop_back();
        co_return true;
      }
      seen = buffer_.size();
      if (buffer_.size() > kLineBytesMax) co_return failed(Reason::kProtocol, "a line longer than 64 KiB");
      auto more = co_await fill();
      if (!more) co_return failed(more.error());
      if (*more) continue;
      out = std::exchange(buffer_, {});
      co_return !out.empty();
    }
  }

  // Exactly so many bytes; fewer only at the end of the connection.
  core::Task<Outcome<std::string>> bytes(std::size_t count) {
    while (buffer_.size() < count) {
      auto more = co_await fill();
      if (!more) co_return failed(more.error());
      if (!*more) break;
    }
    std::string out = buffer_.substr(0, count);
    buffer_.erase(0, count);
    co_return out;
  }

  // What came before TLS is not part of what comes in it.
  void clear() { buffer_.clear(); }

 private:
  core::Task<Outcome<bool>> fill() {
    std::array<char, kReadBytes> piece{};
    auto count = co_await stream_.read(piece.data(), piece.size());
    if (!count) co_return failed(count.error());
    buffer_.append(piece.data(), *count);
    co_return *count > 0;
  }

  Stream& stream_;
  std::string buffer_;
};

core::Task<Outcome<void>> begin_tls(Attempt& attempt, Stream& stream, core::net::TlsOptions tls,
                                    std::string peer_name) {
  auto done = co_await stream.secure(std::move(tls), std::move(peer_name));
  attempt.report.evidence.tls = stream.tls();
  if (!done) {
    attempt.trace("{}", done.error().detail);
    co_return failed(done.error());
  }
  attempt.trace("{} with {}", stream.tls().version, stream.tls().cipher);
  set_tls_metrics(attempt.report, stream.tls(), {.last_chain_expiry = true, .cipher = false});
  co_return Outcome<void>();
}

void set_labels(Report& report, const QueryResponse& step, const std::vector<std::string>& groups) {
  if (step.labels.empty()) return;
  MetricLabels labels;
  for (const ExpectLabel& label : step.labels) {
    labels.emplace_back(label.name, step.expect->expand(label.value, groups));
  }
  report.set("probe_expect_info", 1, std::move(labels));
}

// Reads lines until one matches.
core::Task<Outcome<std::vector<std::string>>> expect_line(Attempt& attempt, Incoming& incoming,
                                                          const QueryResponse& step) {
  Report& report = attempt.report;
  std::string line;
  while (true) {
    auto got = co_await incoming.line(line);
    if (!got) co_return failed(got.error());
    if (!*got) {
      report.set("probe_failed_due_to_regex", 1);
      co_return failed(Reason::kReplyMismatch,
                       fmt::format("the connection ended without a line that matches \"{}\"", step.expect->text()));
    }
    attempt.trace("received: {}", printable(line));
    report.evidence.reply_start = printable(line);
    auto groups = step.expect->groups(line);
    if (!groups) continue;
    report.set("probe_failed_due_to_regex", 0);
    set_labels(report, step, *groups);
    co_return std::move(*groups);
  }
}

core::Task<Outcome<void>> expect_exactly(Attempt& attempt, Incoming& incoming, const std::string& wanted) {
  auto bytes = co_await incoming.bytes(wanted.size());
  if (!bytes) co_return failed(bytes.error());
  attempt.trace("received: {}", printable(*bytes));
  attempt.report.evidence.reply_start = printable(*bytes);
  const bool equal = *bytes == wanted;
  attempt.report.set("probe_failed_due_to_bytes", equal ? 0 : 1);
  if (!equal) co_return failed(Reason::kReplyMismatch, "the bytes are not those of expect_bytes");
  co_return Outcome<void>();
}

core::Task<Outcome<void>> run_step(Attempt& attempt, Stream& stream, Incoming& incoming, const QueryResponse& step) {
  std::vector<std::string> groups;
  if (step.expect) {
    auto found = co_await expect_line(attempt, incoming, step);
    if (!found) co_return failed(found.error());
    groups = std::move(*found);
  } else if (!step.expect_bytes.empty()) {
    auto done = co_await expect_exactly(attempt, incoming, step.expect_bytes);
    if (!done) co_return failed(done.error());
  }
  if (step.send.empty()) co_return Outcome<void>();
  const std::string text = step.expect ? step.expect->expand(step.send, groups) : step.send;
  attempt.trace("send: {}", printable(text));
  auto sent = co_await stream.write(text + "\n");
  co_return sent;
}

}  // namespace

core::Task<bool> run_dialogue(Attempt& attempt, Stream& stream, const std::vector<QueryResponse>& steps,
                              bool begins_with_tls, core::net::TlsOptions tls, std::string peer_name) {
  Report& report = attempt.report;
  report.set("probe_failed_due_to_regex", 0);
  report.set("probe_failed_due_to_bytes", 0);
  if (begins_with_tls) {
    auto done = co_await begin_tls(attempt, stream, tls, peer_name);
    if (!done) {
      report.fail(done.error());
      co_return false;
    }
  }
  Incoming incoming(stream);
  for (const QueryResponse& step : steps) {
    auto done = co_await run_step(attempt, stream, incoming, step);
    if (done && step.starttls) {
      incoming.clear();
      auto secured = co_await begin_tls(attempt, stream, tls, peer_name);
      done = secured;
    }
    if (!done) {
      attempt.trace("{}", done.error().detail);
      report.fail(done.error());
      co_return false;
    }
  }
  co_return true;
}

}  // namespace collector::probe
