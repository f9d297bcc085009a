// SPDX-License-Identifier: Apache-2.0
#include "tidy_rules.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace tidy {
namespace {

constexpr std::size_t kFileLinesMax = 500;
constexpr std::size_t kFunctionLinesMax = 70;
constexpr std::size_t kLineCharactersMax = 120;

// A folder may include itself and those before it.
constexpr std::array<std::string_view, 5> kFolders = {"core", "collector", "rules", "actions", "agent"};

struct Banned {
  const char* pattern;
  std::string_view instead;
  std::string_view allowed_in;  // path prefix where it may stand
};

constexpr std::array<Banned, 9> kBannedCalls = {{
    {R"(\b\w*_clock::now\()", "take a core::Clock", "core/time/clock.cpp"},
    {R"(\bsleep_(for|until)\()", "wait on a condition or a core::Scheduler", "core/time/clock.cpp"},
    {R"(\b(std::)?rand\(\))", "take a seeded generator", "-"},
    {R"((^|[^\w.:>])(::|std::)?time\((nullptr|NULL|0|&))", "take a core::Clock", "core/time/clock.cpp"},
    {R"(\b(std::)?system\(")", "core::process::CommandRunner with an argv", "-"},
    {R"(\bpopen\()", "core::process::CommandRunner with an argv", "-"},
    {R"(\bstd::regex\b)", "RE2: linear time", "-"},
    {R"(\.detach\(\))", "join every thread", "-"},
    {R"(\b(TODO|FIXME|XXX|HACK)\b)", "do it, or open an issue", "test/tidy/"},
}};

// Kept out of headers, because everything that includes the header would compile them.
constexpr std::array<std::string_view, 7> kHeavyHeaders = {
    "boost/", "httplib.h", "nlohmann/json.hpp", "yaml-cpp/", "spdlog/", "CLI/", "re2/"};

// Tables and generated text, where length is not complexity.
constexpr std::array<std::string_view, 2> kLengthExempt = {"rules/promql/signatures", "test/simulators/"};

bool starts_with_any(std::string_view path, const auto& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](std::string_view p) { return path.starts_with(p); });
}

int rank(std::string_view path) {
  for (std::size_t i = 0; i < kFolders.size(); ++i) {
    if (path.starts_with(std::string(kFolders[i]) + "/")) return static_cast<int>(i);
  }
  return -1;
}

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return lines;
}

std::size_t count_code_points(std::string_view line) {
  return static_cast<std::size_t>(
      std::count_if(line.begin(), line.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

// The rules that look at one line.
class LineRules {
 public:
  LineRules(std::string_view path, std::vector<Finding>& findings) : path_(path), findings_(findings) {
    for (const Banned& each : kBannedCalls) banned_.push_back(std::make_unique<re2::RE2>(each.pattern));
  }

  void check(int number, std::string_view line) {
    check_include(number, line);
    const re2::StringPiece piece(line.data(), line.size());
    for (std::size_t i = 0; i < banned_.size(); ++i) {
      if (path_.starts_with(kBannedCalls[i].allowed_in) || !re2::RE2::PartialMatch(piece, *banned_[i])) continue;
      // A comment may name what is banned; an open task may not hide in one.
      const bool in_comment = line.find("//") != std::string_view::npos && i + 1 != banned_.size();
      if (!in_comment) report(number, fmt::format("{}: {}", kBannedCalls[i].pattern, kBannedCalls[i].instead));
    }
    if (re2::RE2::PartialMatch(piece, class_name_)) {
      report(number,
             "a class is named for what it is, not Manager, Handler, Helper, Util, Common, Misc, Processor, Data");
    }
    if (count_code_points(line) > kLineCharactersMax && line.find("http") == std::string_view::npos &&
        line.find("R\"") == std::string_view::npos) {
      report(number, fmt::format("longer than {} characters", kLineCharactersMax));
    }
  }

 private:
  void check_include(int number, std::string_view line) {
    std::string included;
    if (!re2::RE2::PartialMatch(re2::StringPiece(line.data(), line.size()), include_, &included)) return;
    const int own = rank(path_);
    if (own >= 0 && rank(included) > own) {
      report(number,
             fmt::format("includes {}: includes point core <- collector <- rules <- actions <- agent", included));
    }
    if (path_.ends_with(".h") && own >= 0 && starts_with_any(included, kHeavyHeaders)) {
      report(number, fmt::format("{} in a header: keep it in the .cpp behind our own interface", included));
    }
  }

  void report(int number, std::string message) {
    findings_.push_back({std::string(path_), number, std::move(message)});
  }

  std::string_view path_;
  std::vector<Finding>& findings_;
  std::vector<std::unique_ptr<re2::RE2>> banned_;
  const re2::RE2 include_{R"(^\s*#include\s*["<]([^">]+)[">])"};
  const re2::RE2 class_name_{
      R"(\b(class|struct)\s+\w*(Manager|Handler|Helper|Util|Utils|Common|Misc|Processor|Data)\b\s*(final\s*)?[:{])"};
};

// A function in formatted code: a line that opens a body at some indentation, to the brace that closes it there.
void check_function_lengths(std::string_view path, const std::vector<std::string_view>& lines,
                            std::vector<Finding>& findings) {
  const re2::RE2 opens(
      R"(^(  )?[\w~:<>&*\[\]].*\)( const)?( noexcept)?( override)?( final)?( ->.*)? \{$|^(  )?    .*\)( const)?( noexcept)?( override)? \{$)");
  const re2::RE2 not_function(
      R"(^\s*(if|for|while|switch|else|namespace|struct|class|enum|do|\}|TEST|TEST_F|TEST_P)\b)");
  std::size_t start = 0;
  std::string closing;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const re2::StringPiece piece(lines[i].data(), lines[i].size());
    if (closing.empty()) {
      if (re2::RE2::PartialMatch(piece, opens) && !re2::RE2::PartialMatch(piece, not_function)) {
        start = i;
        // A continuation line is indented by four; its function starts at the indentation of its first line.
        std::size_t first = i;
        while (first > 0 && lines[first].starts_with("      ")) --first;
        closing = std::string(std::min<std::size_t>(lines[first].find_first_not_of(' '), 2), ' ') + "}";
      }
    } else if (lines[i] == closing || lines[i] == closing + ";") {
      if (i - start > kFunctionLinesMax) {
        findings.push_back({std::string(path), static_cast<int>(start) + 1,
                            fmt::format("a function of {} lines: {} at most", i - start, kFunctionLinesMax)});
      }
      closing.clear();
    }
  }
}

void check_file_name(std::string_view path, std::vector<Finding>& findings) {
  static const re2::RE2 kBannedName(
      R"((^|[/_])(manager|handler|helper|util|utils|common|misc|processor)s?(_test)?\.(h|cpp)$)");
  if (re2::RE2::PartialMatch(re2::StringPiece(path.data(), path.size()), kBannedName)) {
    findings.push_back({std::string(path), 1, "a file is named for what is in it"});
  }
}

}  // namespace

std::vector<Finding> check_file(std::string_view path, std::string_view text) {
  std::vector<Finding> findings;
  const std::vector<std::string_view> lines = split_lines(text);
  const auto report = [&](int line, std::string message) {
    findings.push_back({std::string(path), line, std::move(message)});
  };
  check_file_name(path, findings);
  if (lines.empty() || lines.front() != "// SPDX-License-Identifier: Apache-2.0")
    report(1, "the licence line comes first");
  const bool header = path.ends_with(".h");
  if (header && std::find(lines.begin(), lines.end(), "#pragma once") == lines.end()) report(1, "no #pragma once");
  if (header && rank(path) >= 0 &&
      re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), R"((?m)^class \w[^;]*\{)") &&
      text.find("Thread safety:") == std::string_view::npos) {
    report(1, "a class in a public header says which threads may touch it (Thread safety:)");
  }
  LineRules rules(path, findings);
  for (std::size_t i = 0; i < lines.size(); ++i) rules.check(static_cast<int>(i) + 1, lines[i]);
  if (!starts_with_any(path, kLengthExempt)) {
    if (lines.size() > kFileLinesMax) report(1, fmt::format("{} lines: {} at most", lines.size(), kFileLinesMax));
    if (!path.starts_with("test/")) check_function_lengths(path, lines, findings);
  }
  return findings;
}

}  // namespace tidy
