// SPDX-License-Identifier: Apache-2.0
#include "test/support/background_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <thread>

#include <httplib.h>

#include "core/check.h"

extern char** environ;

namespace test_support {

namespace fs = std::filesystem;

BackgroundProcess::BackgroundProcess(const std::vector<std::string>& argv, fs::path log)
    : pid_(-1), log_(std::move(log)) {
  std::vector<char*> arguments;
  for (const std::string& each : argv) arguments.push_back(const_cast<char*>(each.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  const int error = posix_spawnp(&pid_, argv[0].c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) std::fprintf(stderr, "cannot start %s: %s\n", argv[0].c_str(), std::strerror(error));
  CHECK(error == 0, "a program that the test needs is missing");
}

BackgroundProcess::~BackgroundProcess() {
  if (!running()) return;
  signal(SIGTERM);
  if (!wait(std::chrono::seconds(5))) {
    signal(SIGKILL);
    wait(std::chrono::seconds(5));
  }
}

bool BackgroundProcess::running() { return !wait(std::chrono::milliseconds(0)).has_value(); }

void BackgroundProcess::signal(int number) const { ::kill(pid_, number); }

std::optional<int> BackgroundProcess::wait(std::chrono::milliseconds limit) {
  eventually(limit, [this] {
    int status = 0;
    if (!status_ && waitpid(pid_, &status, WNOHANG) == pid_) {
      status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    return status_.has_value();
  });
  return status_;
}

std::string BackgroundProcess::log_text() const { return read_file(log_); }

fs::path fresh_folder(const std::string& name) {
  const fs::path folder = fs::path(WATCHKEEPER_BINARY_DIR) / "test-work" / name;
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  CHECK(bind(socket, reinterpret_cast<sockaddr*>(&address), length) == 0, "no free port");
  CHECK(getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) == 0, "no free port");
  ::close(socket);
  return ntohs(address.sin_port);
}

bool eventually(std::chrono::milliseconds limit, const std::function<bool()>& condition) {
  constexpr std::chrono::milliseconds kPause(20);
  for (std::chrono::milliseconds waited(0);; waited += kPause) {
    if (condition()) return true;
    if (waited >= limit) return false;
    // Another process makes the progress waited for; there is nothing here to be notified by.
    ::poll(nullptr, 0, static_cast<int>(kPause.count()));
  }
}

void write_file(const fs::path& path, const std::string& text) {
  // Renamed into place, so that a reader never sees half of it.
  const fs::path temporary = path.string() + ".new";
  std::ofstream(temporary) << text;
  fs::rename(temporary, path);
}

std::string read_file(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

HttpAnswer http_get(int port, const std::string& path) {
  httplib::Client client("127.0.0.1", port);
  client.set_read_timeout(std::chrono::seconds(10));
  const auto answer = client.Get(path);
  return answer ? HttpAnswer{answer->status, answer->body} : HttpAnswer{};
}

HttpAnswer http_post(int port, const std::string& path, const std::string& body, const std::string& content_type) {
  httplib::Client client("127.0.0.1", port);
  client.set_read_timeout(std::chrono::seconds(10));
  const auto answer = client.Post(path, body, content_type);
  return answer ? HttpAnswer{answer->status, answer->body} : HttpAnswer{};
}

HttpAnswer http_delete(int port, const std::string& path) {
  httplib::Client client("127.0.0.1", port);
  client.set_read_timeout(std::chrono::seconds(10));
  const auto answer = client.Delete(path);
  return answer ? HttpAnswer{answer->status, answer->body} : HttpAnswer{};
}

}  // namespace test_support
