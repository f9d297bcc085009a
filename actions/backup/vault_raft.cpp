// SPDX-License-Identifier: Apache-2.0
#include "actions/backup/vault_raft.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "actions/backup/own_loop.h"
#include "actions/backup/vault_client.h"
#include "core/net/send_and_wait.h"

namespace actions::backup {
namespace {

using core::Duration;
using core::Errc;
using core::fail;
using core::Result;
using core::net::Request;
using core::net::Response;

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
  const Result<std::string> token = read_vault_token(vault);
  if (!token) return fail(token.error());
  // Before the loop, whose thread writes to it until the loop is gone.
  SnapshotFile file(path);
  if (!file.problem().empty()) return fail(Errc::kUnavailable, "{}", file.problem());
  {
    OwnLoop loop(clock);
    const Result<ActiveVault> active = find_active(vault, loop.client(), stop);
    if (!active) return fail(active.error());
    Request request = vault_request(vault, active->url, "/v1/sys/storage/raft/snapshot");
    request.timeout = timeout;
    request.headers.emplace_back("X-Vault-Token", *token);
    request.on_body = [&file](std::string_view piece) { return file.write(piece); };
    const Result<Response> response = core::net::send_and_wait(loop.client(), std::move(request), stop);
    if (!response && stop.stop_requested()) return fail(response.error());
    if (!response) {
      // Only when the transfer is over: until then the file is the other thread's.
      if (response.error().code == Errc::kCancelled) return fail(Errc::kUnavailable, "{}", file.problem());
      return fail(response.error());
    }
    if (response->status != 200) return fail(Errc::kFailed, "{}: snapshot: {}", active->url, told_by_vault(*response));
  }
  return read_raft_archive(path);
}

}  // namespace actions::backup
