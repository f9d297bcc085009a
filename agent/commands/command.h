// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace agent {

inline constexpr int kFine = 0;
inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;

// The command line without the header of CLI11, which makes seconds of code in every file that includes it. Options and
// commands are handles: what they stand for, and every variable given to them, lives as long as their CommandLine.
//
// Thread safety: confined to the main thread.

// An option or a positional argument of a command.
class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}

  Option required() const;
  Option default_shown() const;  // the help tells what its variable holds now
  Option one_of(const std::vector<std::string>& values) const;
  Option between(double least, double most) const;
  Option needs(Option other) const;
  Option excludes(Option other) const;

 private:
  CLI::Option* option_;
};

class Command {
 public:
  Command(CLI::App* app, int* status) : app_(app), status_(status) {}

  // A command below this one, which then cannot be given alone.
  Command add_command(const std::string& name, const std::string& help) const;

  // `names`: "--url", "-o,--output", or "NAME" for a positional argument.
  Option add_option(const std::string& names, std::string& value, const std::string& help) const;
  Option add_option(const std::string& names, std::vector<std::string>& values, const std::string& help) const;
  Option add_option(const std::string& names, double& value, const std::string& help) const;
  Option add_flag(const std::string& names, bool& value, const std::string& help) const;
  void takes_anything() const;

  // What it does if it is chosen; returns the exit status.
  void runs(std::function<int()> action) const;

 private:
  CLI::App* app_;
  int* status_;
};

class CommandLine {
 public:
  CommandLine(const std::string& program, const std::string& help);
  ~CommandLine();

  Command root();
  // Parses, and runs the command that was chosen. Returns its exit status, kUsage for what cannot be parsed, kFailed
  // for an exception; problems and help are printed.
  int run(int argc, const char* const* argv);

 private:
  std::unique_ptr<CLI::App> app_;
  int status_ = kFine;
};

}  // namespace agent
