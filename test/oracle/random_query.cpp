// SPDX-License-Identifier: Apache-2.0
#include "random_query.h"

#include <fmt/format.h>

#include "made_series.h"

namespace oracle {

std::int64_t RandomQuery::time_ms() { return kStartMs + dice_.between(1000, kSpanSeconds - 100) * 1000 + 700; }

std::string RandomQuery::seconds(std::int64_t low, std::int64_t high) {
  return fmt::format("{}s", dice_.between(low, high));
}

std::string RandomQuery::number() {
  // Off the quarters that gauges have, so that no comparison hangs on rounding.
  return fmt::format("{}", static_cast<double>(dice_.between(-300, 300)) + 0.13);
}

std::string RandomQuery::at() {
  const std::string_view bound = dice_.one_of({"start()", "end()", ""});
  const std::int64_t ms = time_ms();
  return " @ " + (bound.empty() ? fmt::format("{}.{:03}", ms / 1000, ms % 1000) : std::string(bound));
}

std::string RandomQuery::shift() { return (dice_.one_in(6) ? at() : "") + offset(); }

std::string RandomQuery::offset() {
  if (!dice_.one_in(5)) return "";
  return fmt::format(" offset {}{}", dice_.one_in(4) ? "-" : "", seconds(1, 500));
}

std::string RandomQuery::braces(bool instance) {
  std::string text;
  const auto add = [&text](std::string_view matcher) {
    text += text.empty() ? "" : ",";
    text += matcher;
  };
  if (dice_.one_in(3)) add(dice_.one_of({R"(job="a")", R"(job!="a")", R"(job=~"a|b")", R"(job!~"b.*")", R"(none="")"}));
  if (instance && dice_.one_in(3)) {
    add(dice_.one_of({R"(instance="x")", R"(instance=~"[xy]")", R"(instance!="z")", R"(instance!~".")"}));
  }
  return text.empty() ? "" : "{" + text + "}";
}

std::string RandomQuery::plain(const std::string& metric, bool instance) { return metric + braces(instance) + shift(); }

std::string RandomQuery::selector() {
  const std::string_view metric =
      dice_.one_of({"gauge", "gauge", "high_total", "low_total", "special", "rare", "build_info", "wait_bucket"});
  if (dice_.one_in(15)) return R"({__name__=~"gauge|rare"})" + shift();
  return plain(std::string(metric), metric != "rare" && metric != "build_info" && metric != "wait_bucket");
}

std::string RandomQuery::labels() {
  return std::string(dice_.one_of({"", "job", "instance", "job, instance", "instance, absent", "__name__, job"}));
}

std::string RandomQuery::grouping() {
  if (dice_.one_in(3)) return "";
  return fmt::format(" {} ({}) ", dice_.one_of({"by", "without"}), labels());
}

std::string RandomQuery::scalar(int depth) {
  switch (depth <= 0 ? dice_.between(0, 1) : dice_.between(0, 5)) {
    case 0:
      return number();
    case 1:
      return "time()";
    case 2:
      return fmt::format("scalar({})", vector(depth - 1));
    case 3:
      return fmt::format("({} {} bool {})", scalar(depth - 1), dice_.one_of({"==", "<", ">=", "!="}),
                         scalar(depth - 1));
    case 4:
      return fmt::format("-({})", scalar(depth - 1));
    default:
      return fmt::format("({} {} {})", scalar(depth - 1), dice_.one_of({"+", "-", "*", "/", "^", "atan2"}),
                         scalar(depth - 1));
  }
}

std::string RandomQuery::vector(int depth) {
  if (depth <= 0) return selector();
  switch (dice_.between(0, 11)) {
    case 0:
      return selector();
    case 1:
      return elementwise(depth);
    case 2:
    case 3:
      return over_range(depth);
    case 4:
      return rate();
    case 5:
      return aggregation(depth);
    case 6:
      return with_scalar(depth);
    case 7:
    case 8:
      return of_vectors(depth);
    case 9:
      return labelled(depth);
    case 10:
      return histogram();
    default:
      return dice_.one_in(2) ? absence() : of_time();
  }
}

std::string RandomQuery::elementwise(int depth) {
  switch (dice_.between(0, 6)) {
    case 0:
      return fmt::format("clamp({}, {}, {})", vector(depth - 1), scalar(depth - 2), scalar(depth - 2));
    case 1:
      return fmt::format("{}({}, {})", dice_.one_of({"clamp_min", "clamp_max"}), vector(depth - 1), scalar(depth - 2));
    case 2:
      return fmt::format("round({}, {})", selector(), dice_.one_of({"1", "0.5", "10", "-3", "0"}));
    case 3:
      return fmt::format("-({})", vector(depth - 1));
    case 4:
      return fmt::format("{}({})", dice_.one_of({"sort", "sort_desc"}), vector(depth - 1));
    case 5:
      // Of samples as they are: the last bit of a large number decides about these.
      return fmt::format("{}({})", dice_.one_of({"sin", "cos", "tan"}), plain("gauge", true));
    default:
      return fmt::format(
          "{}({})", dice_.one_of({"abs", "ceil", "floor", "exp",  "sqrt", "ln",   "log2", "log10", "sgn",   "deg",
                                  "rad", "asin", "acos",  "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"}),
          vector(depth - 1));
  }
}

std::string RandomQuery::subquery(int depth) {
  in_subquery_ = true;
  const std::string inner = vector(depth);
  in_subquery_ = false;
  return fmt::format("({})[{}:{}]{}", inner, seconds(30, 900), dice_.one_in(4) ? "" : seconds(7, 120), shift());
}

std::string RandomQuery::over_range(int depth) {
  const std::string window = seconds(10, 900);
  const auto range_of = [&](std::string_view metric) {
    return fmt::format("{}{}[{}]{}", metric, braces(true), window, shift());
  };
  switch (dice_.between(0, 5)) {
    case 0:
      return fmt::format("{}({})", dice_.one_of({"deriv", "delta", "idelta", "stddev_over_time", "stdvar_over_time"}),
                         range_of(dice_.one_of({"gauge", "rare"})));
    case 1:
      return fmt::format("predict_linear(gauge{}[{}]{}, {})", braces(true), window, offset(), number());
    case 2:
      return fmt::format("double_exponential_smoothing({}, 0.{}, 0.{})", range_of("gauge"), dice_.between(1, 9),
                         dice_.between(1, 9));
    case 3:
      return fmt::format("quantile_over_time({}, {})", dice_.one_of({"0", "0.3", "0.5", "0.99", "1", "-1", "2"}),
                         range_of(dice_.one_of({"gauge", "special", "high_total"})));
    default: {
      const std::string_view function =
          dice_.one_of({"avg_over_time", "sum_over_time", "min_over_time", "max_over_time", "count_over_time",
                        "last_over_time", "present_over_time", "changes", "resets"});
      const std::string argument = !in_subquery_ && dice_.one_in(3)
                                       ? subquery(depth - 2)
                                       : range_of(dice_.one_of({"gauge", "special", "low_total", "rare"}));
      return fmt::format("{}({})", function, argument);
    }
  }
}

std::string RandomQuery::rate() {
  const std::string_view function = dice_.one_of({"rate", "increase", "irate"});
  const std::string_view metric = dice_.one_of({"high_total", "low_total", "wait_bucket"});
  if (!in_subquery_ && dice_.one_in(4)) {
    return fmt::format("{}(high_total{}[{}:{}]{})", function, braces(true), seconds(60, 900), seconds(7, 120), shift());
  }
  return fmt::format("{}({}{}[{}]{})", function, metric, braces(metric == "high_total"), seconds(20, 490), shift());
}

std::string RandomQuery::aggregation(int depth) {
  switch (dice_.between(0, 5)) {
    case 0:
      return fmt::format("{}{}({}, {})", dice_.one_of({"topk", "bottomk"}), grouping(), dice_.between(0, 4),
                         plain("gauge", true));
    case 1:
      return fmt::format("quantile{}({}, {})", grouping(), dice_.one_of({"0", "0.25", "0.5", "0.9", "1", "-2", "7"}),
                         vector(depth - 1));
    case 2:
      return fmt::format("count_values{}(\"value\", round({}, 50))", grouping(), plain("gauge", true));
    case 3:
      return fmt::format("{}{}({})", dice_.one_of({"stddev", "stdvar"}), grouping(), plain("gauge", true));
    default:
      return fmt::format("{}{}({})", dice_.one_of({"sum", "avg", "min", "max", "count", "group"}), grouping(),
                         vector(depth - 1));
  }
}

std::string RandomQuery::with_scalar(int depth) {
  const std::string_view op = dice_.one_of({"+", "-", "*", "/", "==", "!=", "<", "<=", ">", ">=", "> bool", "!= bool"});
  if (dice_.one_in(6)) return fmt::format("({} {} {})", selector(), dice_.one_of({"%", "^"}), number());
  const std::string other = dice_.one_in(2) ? number() : scalar(depth - 2);
  if (dice_.one_in(3)) return fmt::format("({} {} {})", other, op, vector(depth - 1));
  return fmt::format("({} {} {})", vector(depth - 1), op, other);
}

std::string RandomQuery::of_vectors(int depth) {
  if (dice_.one_in(3)) {
    const std::string on = dice_.one_in(2) ? "" : fmt::format(" {}({})", dice_.one_of({"on", "ignoring"}), labels());
    return fmt::format("({} {}{} {})", vector(depth - 1), dice_.one_of({"and", "or", "unless"}), on, vector(depth - 1));
  }
  if (dice_.one_in(3)) {
    const std::string_view op = dice_.one_of({"*", "+", "-", "> bool"});
    if (dice_.one_in(3)) {
      return fmt::format("(build_info{} {} on(job) group_right({}) {})", braces(false), op,
                         dice_.one_of({"", "version"}), plain("gauge", true));
    }
    return fmt::format("({} {} on(job) group_left({}) build_info{})", vector(depth - 1), op,
                       dice_.one_of({"", "version", "version, instance"}), braces(false));
  }
  const std::string_view op = dice_.one_of({"+", "-", "*", "/", "<", ">=", "== bool", "< bool"});
  const std::string on = dice_.one_in(2) ? "" : fmt::format(" {}({})", dice_.one_of({"on", "ignoring"}), labels());
  return fmt::format("({} {}{} {})", vector(depth - 1), op, on, vector(depth - 1));
}

std::string RandomQuery::labelled(int depth) {
  switch (dice_.between(0, 2)) {
    case 0:
      return fmt::format(R"(label_join({}, "joined", "-", "job", "instance"))", vector(depth - 1));
    case 1:
      return fmt::format(R"(label_replace({}, "{}", "{}", "{}", "{}"))", vector(depth - 1),
                         dice_.one_of({"made", "instance", "job"}), dice_.one_of({"$1", "v-${1}", "", "$2$1", "x"}),
                         dice_.one_of({"instance", "job", "__name__"}),
                         dice_.one_of({"(.*)", "([xy])", "(.)(.*)", "no"}));
    default:
      return dice_.one_in(2) ? time_of_sample() : fmt::format("timestamp({} * 1)", vector(depth - 1));
  }
}

std::string RandomQuery::time_of_sample() {
  const std::string_view metric = dice_.one_of({"gauge", "rare", "low_total"});
  return fmt::format("timestamp({}{}{})", metric, braces(metric != "rare"), dice_.one_in(3) ? at() : offset());
}

std::string RandomQuery::histogram() {
  const std::string_view phi = dice_.one_of({"0", "0.2", "0.5", "0.9", "0.99", "1", "-1", "3"});
  switch (dice_.between(0, 2)) {
    case 0:
      return fmt::format("histogram_quantile({}, wait_bucket{}{})", phi, braces(false), shift());
    case 1:
      return fmt::format("histogram_quantile({}, rate(wait_bucket{}[{}]))", phi, braces(false), seconds(60, 900));
    default:
      return fmt::format("histogram_quantile({}, sum by (le) (increase(wait_bucket[{}])))", phi, seconds(60, 900));
  }
}

std::string RandomQuery::absence() {
  const std::string_view matchers = dice_.one_of(
      {R"(gauge{job="a"})", R"(nothing{job="a",instance=~"x"})", R"(nothing{job="a",job="b"})", "nothing", "special"});
  if (dice_.one_in(2)) return fmt::format("absent({}{})", matchers, shift());
  return fmt::format("absent_over_time({}[{}]{})", matchers, seconds(10, 300), shift());
}

std::string RandomQuery::of_time() {
  const std::string_view function =
      dice_.one_of({"day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour", "minute", "month", "year"});
  switch (dice_.between(0, 2)) {
    case 0:
      return fmt::format("{}()", function);
    case 1:
      return fmt::format("{}(vector({} * 1e6))", function, number());
    default:
      return fmt::format("{}({})", function, time_of_sample());
  }
}

}  // namespace oracle
