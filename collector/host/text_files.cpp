// SPDX-License-Identifier: Apache-2.0
#include "collector/host/text_files.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "collector/exposition/parser.h"
#include "collector/host/kernel_files.h"
#include "collector/host/sources.h"

namespace collector::host {
namespace {

using core::Errc;
using core::Result;
using exposition::Entry;
using exposition::MetricType;

// A file changed twice within the grain of the filesystem's clock looks the same: only an older one is known by its
// time.
constexpr auto kSettledAfter = std::chrono::seconds(2);

// The name of the family that a sample of this name belongs to, if `family` is its type's name.
bool belongs(std::string_view sample, std::string_view family, MetricType type) {
  if (sample == family) return true;
  if (!sample.starts_with(family)) return false;
  const std::string_view rest = sample.substr(family.size());
  if (type == MetricType::kHistogram) return rest == "_bucket" || rest == "_sum" || rest == "_count";
  return type == MetricType::kSummary && (rest == "_sum" || rest == "_count");
}

// The names that need no quotes, which are the only ones that are passed on.
bool is_plain_name(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':'; };
  return !name.empty() && letter(name[0]) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

std::string_view type_name(MetricType type) {
  return type == MetricType::kUnknown ? "untyped" : exposition::to_string(type);
}

}  // namespace

void TextFiles::parse(std::string_view text, const std::string& path, File& file) {
  exposition::Parser parser(text, exposition::Format::kPrometheusText);
  std::vector<core::ring::Label> labels;
  std::string family;  // the last that a TYPE or a HELP named
  std::set<std::string> seen;
  const auto refuse = [&](std::string_view why) {
    file.problem = fmt::format("{}:{}: {}", path, parser.line(), why);
    file.families.clear();
  };
  for (Entry entry = parser.next(); entry != Entry::kEnd; entry = parser.next()) {
    if (entry == Entry::kInvalid) {
      file.problem = fmt::format("{}: {}", path, parser.error().message);
      file.families.clear();
      return;
    }
    if (entry == Entry::kHelp || entry == Entry::kType) {
      family = parser.family();
      if (!is_plain_name(family)) return refuse("a name that needs quotes is not supported");
      Family& named = file.families[family];
      if (!named.lines.empty()) return refuse(fmt::format("{} is said again after its samples", family));
      if (entry == Entry::kHelp) named.help = parser.text();
      if (entry == Entry::kType) named.type = type_name(parser.type());
      continue;
    }
    if (entry != Entry::kSample) continue;
    if (parser.timestamp_ms()) return refuse("a timestamp is not supported");
    if (++file.samples > kTextSamplesMax) return refuse(fmt::format("more than {} samples", kTextSamplesMax));
    parser.labels(labels);
    const core::ring::Labels series(labels);
    const std::string name(series.get("__name__"));
    if (!is_plain_name(name)) return refuse("a name that needs quotes is not supported");
    const bool of_last = !family.empty() && belongs(name, family, parser.type());
    if (!seen.insert(series.to_string()).second) return refuse(fmt::format("{} twice", series.to_string()));
    Family& owner = file.families[of_last ? family : name];
    fmt::format_to(std::back_inserter(owner.lines), "{} {}\n", trim(parser.series()), parser.value());
    owner.series.push_back(series.to_string());
  }
  std::erase_if(file.families, [](const auto& each) { return each.second.lines.empty(); });
}

void TextFiles::refresh(const std::string& path, File& file, core::WallTime now) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) {
    file = {};
    file.problem = path + ": expected a regular file";
    return;
  }
  const Identity identity{status.st_ino, static_cast<std::uint64_t>(status.st_size),
                          status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec};
  if (file.settled && file.identity == identity) return;
  file = {};
  file.identity = identity;
  const core::WallTime mtime{std::chrono::nanoseconds(identity.mtime_ns)};
  file.settled = now - mtime > kSettledAfter;
  const auto text = read_file(path);
  if (!text) {
    file.problem = text.error().message;
    return;
  }
  // Without its last line feed it is being written.
  if (!text->empty() && text->back() != '\n') {
    file.problem = path + ": the last line does not end";
    return;
  }
  parse(*text, path, file);
}

Result<void> TextFiles::list(const std::string& directory) {
  const auto names = list_folder(directory);
  if (!names) return core::fail(names.error());
  std::set<std::string> paths;
  for (const std::string& name : *names) {
    if (!name.ends_with(".prom")) continue;
    if (paths.size() == kTextFilesMax) {
      return core::fail(Errc::kLimitExceeded, "{}: more than {} files", directory, kTextFilesMax);
    }
    paths.insert(fmt::format("{}{}{}", directory, directory.ends_with('/') ? "" : "/", name));
  }
  std::erase_if(files_, [&](const auto& each) { return !paths.contains(each.first); });
  for (const std::string& path : paths) files_.try_emplace(path);
  return {};
}

void TextFiles::write(const std::string& directory, core::WallTime now, ExpositionWriter& out,
                      std::vector<std::string>& complaints) {
  const std::size_t complaints_before = complaints.size();
  if (!directory.empty()) {
    if (const auto listed = list(directory); !listed) {
      files_.clear();
      complaints.push_back(listed.error().message);
    }
  } else {
    files_.clear();
  }
  std::map<std::string_view, std::pair<const Family*, std::string>> merged;
  std::set<std::string_view> seen;
  std::vector<std::pair<std::string_view, double>> times;
  std::size_t samples = 0;
  for (auto& [path, file] : files_) {
    refresh(path, file, now);
    std::string problem = file.problem;
    for (const auto& [name, family] : file.families) {
      const bool written_later = name.starts_with("node_textfile_") || name.starts_with("node_scrape_collector_");
      if (written_later || out.has_family(name)) problem = fmt::format("{}: {} is the agent's own", path, name);
      const auto other = merged.find(name);
      if (other != merged.end() && other->second.first->type != family.type) {
        problem = fmt::format("{}: {} is of another type than in a file before", path, name);
      }
      for (const std::string& series : family.series) {
        if (seen.contains(series)) problem = fmt::format("{}: {} is in a file before", path, series);
      }
    }
    samples += file.samples;
    if (problem.empty() && samples > kTextSamplesMax)
      problem = fmt::format("{}: more than {} samples", path, kTextSamplesMax);
    if (!problem.empty()) {
      complaints.push_back(std::move(problem));
      continue;
    }
    times.emplace_back(path, static_cast<double>(file.identity.mtime_ns / 1'000'000'000));
    for (const auto& [name, family] : file.families) {
      auto& [first, lines] = merged.try_emplace(name, &family, "").first->second;
      lines += family.lines;
      seen.insert(family.series.begin(), family.series.end());
    }
  }
  for (const auto& [name, each] : merged) out.lines(name, each.first->type, each.first->help, each.second);
  out.family("node_textfile_mtime_seconds", "gauge", "When a file was written.");
  for (const auto& [path, seconds] : times) out.sample({{"file", path}}, seconds);
  out.single("node_textfile_scrape_error", "gauge", "Whether a file, or the folder, could not be taken.",
             complaints.size() > complaints_before ? 1 : 0);
}

Result<void> write_text_files(SourceContext& context, ExpositionWriter& out) {
  context.text_files.write(context.config.textfile.directory, context.now, out, context.complaints);
  return {};
}

}  // namespace collector::host
