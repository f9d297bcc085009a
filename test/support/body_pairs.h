// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "collector/exposition/parser.h"

namespace test_support {

// Metrics bodies as real programs print them, oddities included, and what may become of one by the next scrape: other
// numbers nearly always, and now and then lines that come, go, move, come twice, or are damaged.
//
// Thread safety: confined to one thread.
class BodyPairs {
 public:
  explicit BodyPairs(std::uint64_t seed) : random_(seed) {}

  std::string make(collector::exposition::Format format) {
    open_metrics_ = format == collector::exposition::Format::kOpenMetrics;
    std::vector<std::string> lines;
    const std::size_t families = 1 + below(5);
    for (std::size_t i = 0; i < families; ++i) add_family(lines, i);
    if (open_metrics_ || chance(4)) lines.emplace_back("# EOF");
    return joined(lines);
  }

  std::string changed(const std::string& body) {
    std::vector<std::string> lines = split(body);
    if (!chance(6)) {
      for (std::string& line : lines) change_number(line);
    }
    const std::size_t changes = chance(2) ? 0 : 1 + below(4);
    for (std::size_t i = 0; i < changes && !lines.empty(); ++i) change_lines(lines);
    std::string result = joined(lines);
    if (chance(12) && !result.empty()) result.pop_back();
    if (chance(20)) result.resize(below(result.size() + 1));
    return result;
  }

 private:
  std::size_t below(std::size_t bound) { return random_() % bound; }
  bool chance(std::size_t one_in) { return below(one_in) == 0; }

  std::string number() {
    static constexpr std::array<std::string_view, 12> kOdd = {"NaN",  "+Inf", "-Inf", "0",     "-0",    "1e400",
                                                              "1e-7", "5.",   ".5",   "0x1p3", "1_000", "+7"};
    switch (below(6)) {
      case 0:
        return std::string(kOdd[below(chance(8) ? kOdd.size() : 5)]);
      case 1:
        return fmt::format("{}", static_cast<double>(random_()) / 1e9);
      case 2:
        return fmt::format("{:e}", static_cast<double>(below(1'000'000'000)));
      default:
        return fmt::format("{}", below(chance(3) ? 1'000'000 : 12));
    }
  }

  std::string after_value() {
    if (chance(15))
      return open_metrics_ ? fmt::format(" {}.5", below(2'000'000'000)) : fmt::format(" {}", random_() >> 20);
    if (open_metrics_ && chance(15)) return " # {trace=\"" + std::to_string(below(9)) + "\"} " + number();
    if (chance(60)) return " ";
    return {};
  }

  std::string sample(const std::string& name, std::size_t i) {
    const std::string tail = number() + after_value();
    switch (below(open_metrics_ ? 4 : 8)) {
      case 0:
        return fmt::format("{} {}", name, tail);
      case 1:
        return fmt::format("{}{{path=\"/a\\\"b\\\\{}\",zone=\"é\"}} {}", name, i, tail);
      case 4:
        return fmt::format("{} {{quantile=\"0.{}\", x=\"y\"}} {}", name, i, tail);
      case 5:
        return fmt::format("{{\"{}.dotted\",i=\"{}\"}}{}", name, i, tail);
      case 6:
        return fmt::format("{}{{i=\"{}\"}}\t {}", name, i, tail);
      default:
        return fmt::format("{}{{le=\"{}\",i=\"{}\"}} {}", name, i % 3, i, tail);
    }
  }

  void add_family(std::vector<std::string>& lines, std::size_t family) {
    const std::string name = fmt::format("family_{}", chance(10) ? 0 : family);
    if (!chance(3)) lines.push_back(fmt::format("# HELP {} Says {}.", name, below(3)));
    static constexpr std::array<std::string_view, 3> kTypes = {"counter", "histogram", "gauge"};
    if (!chance(4)) lines.push_back(fmt::format("# TYPE {} {}", name, kTypes[below(kTypes.size())]));
    if (!open_metrics_ && chance(5)) lines.emplace_back("# a comment");
    const std::size_t samples = below(20);
    for (std::size_t i = 0; i < samples; ++i) lines.push_back(sample(name, i));
    if (!open_metrics_ && chance(3)) lines.emplace_back(chance(3) ? "  " : "");
  }

  void change_number(std::string& line) {
    if (line.empty() || line.front() == '#' || chance(3)) return;
    if (const std::size_t blank = line.rfind(' '); blank != std::string::npos)
      line = line.substr(0, blank + 1) + number();
  }

  void change_lines(std::vector<std::string>& lines) {
    const std::size_t at = below(lines.size());
    const auto place = lines.begin() + static_cast<std::ptrdiff_t>(at);
    const std::size_t other = below(lines.size());
    switch (below(11)) {
      case 0:
        lines.erase(place,
                    place + static_cast<std::ptrdiff_t>(1 + below(std::min<std::size_t>(15, lines.size() - at))));
        break;
      case 1:
        lines.insert(place, lines[other]);
        break;
      case 2:
        std::swap(lines[at], lines[other]);
        break;
      case 3:
        lines.insert(place, sample(fmt::format("new_{}", below(3)), below(100)));
        break;
      case 4:
        add_family(lines, 5 + below(3));
        break;
      case 5:
        if (!place->empty()) (*place)[below(place->size())] = static_cast<char>(" \t{}\"=,#ax1\r\n\\"[below(14)]);
        break;
      case 6:
        *place += after_value();
        break;
      case 7:
        if (chance(4)) *place += '\r';
        break;
      case 8:
        lines.insert(place, fmt::format("# {} family_{} {}", chance(2) ? "HELP" : "TYPE", below(6),
                                        chance(2) ? "summary" : "gauge"));
        break;
      case 9:
        if (!open_metrics_) lines.insert(place, chance(2) ? fmt::format("# at {}", below(1000)) : "");
        break;
      default:
        if (chance(4)) std::shuffle(lines.begin(), lines.end(), random_);
        break;
    }
  }

  static std::vector<std::string> split(std::string_view body) {
    std::vector<std::string> lines;
    while (!body.empty()) {
      const std::size_t end = std::min(body.find('\n'), body.size());
      lines.emplace_back(body.substr(0, end));
      body.remove_prefix(std::min(end + 1, body.size()));
    }
    return lines;
  }

  static std::string joined(const std::vector<std::string>& lines) {
    std::string body;
    for (const std::string& line : lines) body += line + "\n";
    return body;
  }

  std::mt19937_64 random_;
  bool open_metrics_ = false;
};

}  // namespace test_support
