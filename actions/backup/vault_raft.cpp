// SPDX-License-Identifier: Apache-2.0
#include "actions/backup/vault_raft.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "actions/backup/scratch.h"
#include "core/net/http_client.h"
#include "core/net/io_loop.h"

namespace actions::backup {
namespace {

using core::Duration;
using core::Errc;
using core::fail;
using core::Result;
using core::net::Request;
using core::net::Response;
using nlohmann::json;

constexpr std::size_t kTokenBytesMax = 64 << 10;
constexpr std::uint64_t kAnswerBytesMax = 64 << 10;
constexpr Duration kQuestionTimeout = std::chrono::seconds(10);

// The snapshot as it comes. Written on the loop's thread, and only there until the transfer is over.
class SnapshotFile {
 public:
  explicit SnapshotFile(std::string path)
      : path_(std::move(path)), file_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) {
    if (file_ < 0) note(errno);
  }
  ~SnapshotFile() {
    if (file_ >= 0) ::close(file_);
  }
  SnapshotFile(const SnapshotFile&) = delete;
  SnapshotFile& operator=(const SnapshotFile&) = delete;

  bool write(std::string_view bytes) {
    while (problem_.empty() && !bytes.empty()) {
      const ssize_t written = ::write(file_, bytes.data(), bytes.size());
      if (written > 0) {
        bytes.remove_prefix(static_cast<std::size_t>(written));
      } else if (written == 0 || errno != EINTR) {
        note(written == 0 ? EIO : errno);
      }
    }
    return problem_.empty();
  }
  const std::string& problem() const { return problem_; }

 private:
  void note(int code) { problem_ = fmt::format("{}: {}", path_, std::strerror(code)); }

  const std::string path_;
  const int file_;
  std::string problem_;
};

// One request at a time, waited for. A loop of its own: what a large snapshot does to the disk must not hold up the
// agent's.
class Caller {
 public:
  explicit Caller(const core::Clock& clock)
      : loop_(clock), client_(core::net::make_http_client(loop_, clock)), thread_([this] { loop_.run(); }) {}
  // The client goes while the loop does not run, and with it what is under way.
  ~Caller() {
    loop_.stop();
    thread_.join();
  }

  Result<Response> call(Request request, const std::stop_token& stop) {
    struct Answer {
      std::mutex mutex;
      std::condition_variable_any there;
      std::optional<Result<Response>> response;
    };
    const auto answer = std::make_shared<Answer>();
    const auto id = client_->send(std::move(request), [answer](Result<Response> response) {
      const std::scoped_lock lock(answer->mutex);
      answer->response = std::move(response);
      answer->there.notify_all();
    });
    std::unique_lock lock(answer->mutex);
    // Bounded by the request's own timeout.
    if (answer->there.wait(lock, stop, [&] { return answer->response.has_value(); })) return *answer->response;
    lock.unlock();
    client_->cancel(id);
    return fail(Errc::kCancelled, "stopped");
  }

 private:
  core::net::IoLoop loop_;
  std::unique_ptr<core::net::HttpClient> client_;
  std::thread thread_;
};

Request request_for(const VaultRaftConfig& vault, const std::string& url, std::string_view path) {
  Request request;
  request.url = std::string(url.substr(0, url.find_last_not_of('/') + 1)).append(path);
  request.timeout = kQuestionTimeout;
  request.body_limit = kAnswerBytesMax;
  request.tls.ca_file = vault.ca_file.path;
  request.tls.server_name = vault.server_name;
  return request;
}

// Vault's errors are {"errors": ["..."]}.
std::string told(const Response& response) {
  const json body = json::parse(response.body, nullptr, /*allow_exceptions=*/false);
  std::string text = fmt::format("HTTP status {}", response.status);
  if (!body.is_object() || !body.contains("errors") || !body["errors"].is_array()) return text;
  for (const json& each : body["errors"]) {
    if (each.is_string()) text += ": " + each.get<std::string>().substr(0, 500);
  }
  return text;
}

// Whether the node is the active one; else why not.
Result<void> check_active(const VaultRaftConfig& vault, const std::string& url, Caller& caller,
                          const std::stop_token& stop) {
  const Result<Response> response = caller.call(request_for(vault, url, "/v1/sys/leader"), stop);
  if (!response) return fail(response.error());
  if (response->status != 200) return fail(Errc::kUnavailable, "{}: {}", url, told(*response));
  const json body = json::parse(response->body, nullptr, /*allow_exceptions=*/false);
  if (!body.is_object() || !body.contains("is_self") || !body["is_self"].is_boolean()) {
    return fail(Errc::kInvalid, "{}: says nothing of a leader", url);
  }
  if (body["is_self"].get<bool>()) return {};
  const bool named = body.contains("leader_address") && body["leader_address"].is_string();
  const std::string leader = named ? body["leader_address"].get<std::string>() : "";
  return fail(Errc::kUnavailable, "{}: a standby; the active node is {}", url, leader.empty() ? "not known" : leader);
}

Result<std::string> find_active(const VaultRaftConfig& vault, Caller& caller, const std::stop_token& stop) {
  std::string reasons;
  for (const std::string& url : vault.urls) {
    const Result<void> active = check_active(vault, url, caller, stop);
    if (active) return url;
    if (stop.stop_requested()) return fail(active.error());
    reasons += (reasons.empty() ? "" : "; ") + active.error().message;
  }
  return fail(Errc::kUnavailable, "no node of the Vault is active: {}", reasons);
}

Result<std::string> read_token(const VaultRaftConfig& vault) {
  Result<std::string> token = read_file(vault.token_file.path, kTokenBytesMax);
  if (!token) return fail(token.error());
  const auto is_blank = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
  token->erase(std::find_if_not(token->rbegin(), token->rend(), is_blank).base(), token->end());
  token->erase(token->begin(), std::find_if_not(token->begin(), token->end(), is_blank));
  if (token->empty()) return fail(Errc::kInvalid, "{}: holds no token", vault.token_file.path);
  return token;
}

}  // namespace

const core::config::Table<VaultRaftConfig>& VaultRaftConfig::fields() {
  static const auto table =
      core::config::Table<VaultRaftConfig>("vault_raft", "A Vault cluster with integrated (raft) storage.")
          .field("urls", &VaultRaftConfig::urls,
                 {.help = "Its nodes; the active one among them is asked.",
                  .required = true,
                  .example = "[https://10.0.0.7:8200]"})
          .field("token_file", &VaultRaftConfig::token_file,
                 {.help = "Holds a token that may read sys/storage/raft/snapshot; read again for every backup.",
                  .required = true})
          .field("ca_file", &VaultRaftConfig::ca_file, {.help = "Who may have signed its certificates."})
          .field("server_name", &VaultRaftConfig::server_name, {.help = "The name in its certificates."})
          .check([](const VaultRaftConfig& vault, const core::config::Node& node) -> Result<void> {
            if (vault.urls.empty()) return fail(node.error("vault_raft: urls: expected at least one"));
            for (const std::string& url : vault.urls) {
              if (url.starts_with("https://") || url.starts_with("http://")) continue;
              return fail(node.error("vault_raft: urls: expected http:// or https://, got \"{}\"", url));
            }
            return {};
          });
  return table;
}

Result<RaftArchive> fetch_raft_snapshot(const VaultRaftConfig& vault, const std::string& path, Duration timeout,
                                        const core::Clock& clock, std::stop_token stop) {
  const Result<std::string> token = read_token(vault);
  if (!token) return fail(token.error());
  // Before the caller, whose thread writes to it until the caller is gone.
  SnapshotFile file(path);
  if (!file.problem().empty()) return fail(Errc::kUnavailable, "{}", file.problem());
  {
    Caller caller(clock);
    const Result<std::string> active = find_active(vault, caller, stop);
    if (!active) return fail(active.error());
    Request request = request_for(vault, *active, "/v1/sys/storage/raft/snapshot");
    request.timeout = timeout;
    request.headers.emplace_back("X-Vault-Token", *token);
    request.on_body = [&file](std::string_view piece) { return file.write(piece); };
    const Result<Response> response = caller.call(std::move(request), stop);
    if (!response && stop.stop_requested()) return fail(response.error());
    if (!response) {
      // Only when the transfer is over: until then the file is the other thread's.
      if (response.error().code == Errc::kCancelled) return fail(Errc::kUnavailable, "{}", file.problem());
      return fail(response.error());
    }
    if (response->status != 200) return fail(Errc::kFailed, "{}: snapshot: {}", *active, told(*response));
  }
  return read_raft_archive(path);
}

}  // namespace actions::backup
