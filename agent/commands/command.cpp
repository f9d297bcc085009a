// SPDX-License-Identifier: Apache-2.0
#include "agent/commands/command.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <utility>

namespace agent {

Option Option::required() const { return Option(option_->required()); }

Option Option::default_shown() const { return Option(option_->capture_default_str()); }

Option Option::one_of(const std::vector<std::string>& values) const {
  return Option(option_->check(CLI::IsMember(values)));
}

Option Option::between(double least, double most) const { return Option(option_->check(CLI::Range(least, most))); }

Option Option::needs(Option other) const { return Option(option_->needs(other.option_)); }

Option Option::excludes(Option other) const { return Option(option_->excludes(other.option_)); }

Command Command::add_command(const std::string& name, const std::string& help) const {
  app_->require_subcommand(1);
  return {app_->add_subcommand(name, help), status_};
}

Option Command::add_option(const std::string& names, std::string& value, const std::string& help) const {
  return Option(app_->add_option(names, value, help));
}

Option Command::add_option(const std::string& names, std::vector<std::string>& values, const std::string& help) const {
  return Option(app_->add_option(names, values, help));
}

Option Command::add_option(const std::string& names, double& value, const std::string& help) const {
  return Option(app_->add_option(names, value, help));
}

Option Command::add_flag(const std::string& names, bool& value, const std::string& help) const {
  return Option(app_->add_flag(names, value, help));
}

void Command::takes_anything() const { app_->allow_extras(); }

void Command::runs(std::function<int()> action) const {
  app_->callback([action = std::move(action), status = status_] { *status = action(); });
}

CommandLine::CommandLine(const std::string& program, const std::string& help)
    : app_(std::make_unique<CLI::App>(help, program)) {}

CommandLine::~CommandLine() = default;

Command CommandLine::root() { return {app_.get(), &status_}; }

int CommandLine::run(int argc, const char* const* argv) {
  try {
    app_->parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool asked_for_help = error.get_exit_code() == 0;
    app_->exit(error);
    return asked_for_help ? kFine : kUsage;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "watchkeeper: %s\n", error.what());
    return kFailed;
  }
  return status_;
}

}  // namespace agent
