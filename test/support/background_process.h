// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace test_support {

// A program that runs beside a test: started from an argv, its output in a file, ended by pid at the latest when this
// object goes.
//
// Thread safety: confined to one thread.
class BackgroundProcess {
 public:
  // Starts argv[0] (looked up in PATH); both output streams go to `log`. Aborts the test program if it cannot.
  BackgroundProcess(const std::vector<std::string>& argv, std::filesystem::path log);
  BackgroundProcess(const BackgroundProcess&) = delete;
  BackgroundProcess& operator=(const BackgroundProcess&) = delete;
  ~BackgroundProcess();

  pid_t pid() const { return pid_; }
  bool running();
  void signal(int number) const;
  // Waits for the end; none if it has not ended within `limit`. A death by signal N is 128 + N.
  std::optional<int> wait(std::chrono::milliseconds limit);
  std::string log_text() const;

 private:
  pid_t pid_;
  std::filesystem::path log_;
  std::optional<int> status_;
};

// A folder of its own below build/, emptied when made and kept afterwards for whoever looks into a failure.
std::filesystem::path fresh_folder(const std::string& name);

// A TCP port on 127.0.0.1 that was free a moment ago; for programs that cannot report the port they took.
int free_port();

// Asks every 20 ms until `condition` holds; false if it does not within `limit`. For other processes' progress only.
bool eventually(std::chrono::milliseconds limit, const std::function<bool()>& condition);

void write_file(const std::filesystem::path& path, const std::string& text);
std::string read_file(const std::filesystem::path& path);

struct HttpAnswer {
  int status = 0;  // 0: no answer
  std::string body;
};

HttpAnswer http_get(int port, const std::string& path);
HttpAnswer http_post(int port, const std::string& path, const std::string& body = "",
                     const std::string& content_type = "application/json");
HttpAnswer http_delete(int port, const std::string& path);

}  // namespace test_support
