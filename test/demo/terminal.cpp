// SPDX-License-Identifier: Apache-2.0
#include "test/demo/terminal.h"

#include <unistd.h>

#include <cstdio>

#include <fmt/format.h>

namespace demo {

namespace {

void print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

}  // namespace

Terminal::Terminal() : live_(::isatty(STDOUT_FILENO) == 1) {}

void Terminal::erase() {
  if (moving_) print("\r\033[K");
  moving_ = false;
}

void Terminal::heading(const std::string& text) {
  erase();
  print(live_ ? fmt::format("\n\033[1m{}\033[0m\n", text) : fmt::format("\n{}\n", text));
}

void Terminal::line(const std::string& text) {
  erase();
  print("  " + text + "\n");
}

void Terminal::waiting(const std::string& text, double seconds) {
  if (!live_) return;
  static constexpr const char* kFrames[] = {"|", "/", "-", "\\"};
  print(fmt::format("\r\033[K  {} {} {:.1f} s", kFrames[frame_++ / 5 % 4], text, seconds));
  moving_ = true;
}

void Terminal::done(const std::string& what, double seconds, const std::string& detail) {
  erase();
  print(fmt::format("  {} {:<10} {:>5.1f} s  {}\n", live_ ? "\033[32m✓\033[0m" : "ok", what, seconds, detail));
}

void Terminal::failed(const std::string& text) {
  erase();
  print(fmt::format("  {} {}\n", live_ ? "\033[31m✗\033[0m" : "FAILED", text));
}

}  // namespace demo
