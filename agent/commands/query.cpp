// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "agent/commands/api_client.h"
#include "agent/commands/commands.h"
#include "core/ring/labels.h"

namespace agent {
namespace {

using nlohmann::json;

struct QueryArguments {
  std::string url = kDefaultUrl;
  std::string query;
  std::string time;
  std::string start;
  std::string end;
  std::string step;
  std::string format = "text";
};

std::string series_text(const json& metric) {
  std::vector<core::ring::Label> pairs;
  for (const auto& [name, value] : metric.items()) pairs.push_back({name, value.get<std::string>()});
  return core::ring::Labels(std::move(pairs)).to_string();
}

std::string sample_text(const json& sample) {
  return sample.at(1).get<std::string>() + " @[" + sample.at(0).dump() + "]";
}

void print_result(const json& data) {
  const std::string type = data.at("resultType").get<std::string>();
  const json& result = data.at("result");
  if (type == "scalar" || type == "string") {
    std::printf("%s\n", sample_text(result).c_str());
    return;
  }
  for (const json& series : result) {
    const std::string name = series_text(series.at("metric"));
    if (type == "vector") {
      std::printf("%s => %s\n", name.c_str(), sample_text(series.at("value")).c_str());
      continue;
    }
    std::printf("%s =>\n", name.c_str());
    for (const json& sample : series.at("values")) std::printf("%s\n", sample_text(sample).c_str());
  }
}

int query(const QueryArguments& arguments) {
  const ApiClient client(arguments.url);
  FormFields fields = {{"query", arguments.query}};
  const bool range = !arguments.start.empty();
  if (range) {
    fields.insert(fields.end(), {{"start", arguments.start}, {"end", arguments.end}, {"step", arguments.step}});
  } else if (!arguments.time.empty()) {
    fields.emplace_back("time", arguments.time);
  }
  const auto answer = client.post(range ? "/api/v1/query_range" : "/api/v1/query", fields);
  const auto data = data_of(answer);
  if (!data) {
    std::fprintf(stderr, "watchkeeper query: %s\n", data.error().message.c_str());
    return kFailed;
  }
  if (arguments.format == "json") {
    std::printf("%s\n", answer->c_str());
  } else {
    print_result(*data);
  }
  return kFine;
}

}  // namespace

void add_query_command(const Command& root) {
  const Command command = root.add_command("query", "Evaluate a PromQL expression in a running agent");
  const auto arguments = std::make_shared<QueryArguments>();
  command.add_option("EXPR", arguments->query, "The expression").required();
  command.add_option("--url", arguments->url, "Where the agent is").default_shown();
  const Option time = command.add_option("--time", arguments->time, "When: Unix seconds or RFC 3339; default now");
  const Option start = command.add_option("--start", arguments->start, "A range: its start");
  const Option end = command.add_option("--end", arguments->end, "Its end");
  const Option step = command.add_option("--step", arguments->step, "Its step: seconds or a duration");
  start.needs(end).needs(step).excludes(time);
  end.needs(start);
  step.needs(start);
  command.add_option("--format", arguments->format, "text or json").one_of({"text", "json"}).default_shown();
  command.runs([arguments] { return query(*arguments); });
}

}  // namespace agent
