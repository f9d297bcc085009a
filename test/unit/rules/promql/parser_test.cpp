// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/parser.h"

#include <gtest/gtest.h>

#include "rules/promql/durations.h"
#include "rules/promql/printer.h"

namespace rules::promql {
namespace {

// The structure with every operand in parentheses; leaves as they print.
std::string shape(const Expr& expr) {
  if (const auto* binary = expr.as<Binary>()) {
    return fmt::format("({} {} {})", shape(*binary->lhs), to_string(binary->op), shape(*binary->rhs));
  }
  if (const auto* unary = expr.as<Unary>()) {
    return fmt::format("({}{})", unary->op == UnaryOp::kMinus ? "-" : "+", shape(*unary->expr));
  }
  if (const auto* paren = expr.as<Paren>()) return "[" + shape(*paren->expr) + "]";
  return print(expr);
}

std::string shape_of(std::string_view query) {
  const auto expr = parse(query);
  return expr ? shape(**expr) : expr.error().message;
}

std::string error_of(std::string_view query) {
  const auto expr = parse(query);
  return expr ? "parsed: " + print(**expr) : expr.error().message;
}

struct Case {
  std::string_view query;
  std::string_view expected;
};

TEST(Parser, Precedence) {
  const Case kCases[] = {
      {"1 + 2 * 3 ^ 2", "(1 + (2 * (3 ^ 2)))"},
      {"2 ^ 3 ^ 2", "(2 ^ (3 ^ 2))"},
      {"1 - 2 - 3", "((1 - 2) - 3)"},
      {"a or b and c unless d", "(a or ((b and c) unless d))"},
      {"a == bool b + c atan2 d", "(a == (b + (c atan2 d)))"},
      {"a < b == c", "((a < b) == c)"},
      {"-a ^ b", "(-(a ^ b))"},
      {"-a * b", "((-a) * b)"},
      {"2 ^ -1", "(2 ^ -1)"},
      {"2 ^ -a * 3", "((2 ^ (-a)) * 3)"},
      {"--1", "1"},
      {"-1 ^ 2", "(-(1 ^ 2))"},
      {"+a", "(+a)"},
      {"-foo @ 10", "(-foo @ 10.000)"},
      {"-foo offset 1m", "(-foo offset 1m)"},
      {"a + b @ 10", "(a + b @ 10.000)"},
      {"(a + b) * c", "([(a + b)] * c)"},
      {"foo offset 1m * 2", "(foo offset 1m * 2)"},
      {"foo offset -1^2", "(foo offset -1s ^ 2)"},
      {"foo offset step() * 2", "(foo offset step() * 2)"},
      {"foo offset (5m) * 2", "foo offset (5m) * 2"},
      {"foo offset -(5m) * 2", "(foo offset -(5m) * 2)"},
      {"foo offset (5m) == bar", "(foo offset (5m) == bar)"},
  };
  for (const auto& test : kCases) EXPECT_EQ(shape_of(test.query), test.expected) << test.query;
  // The shape alone does not tell these two apart.
  EXPECT_TRUE((*parse("foo offset (5m) * 2"))->as<VectorSelector>());
  EXPECT_TRUE((*parse("foo offset 5m * 2"))->as<Binary>());
}

TEST(Parser, WordsAsNames) {
  for (const std::string_view name : {"sum", "by", "offset", "start", "end", "step", "range", "max_of", "and", "or",
                                      "unless", "without", "fill", "anchored", "smoothed", "a:b", ":c", "Infd"}) {
    const auto expr = parse(name);
    ASSERT_TRUE(expr) << name << ": " << expr.error().message;
    const auto* selector = (*expr)->as<VectorSelector>();
    ASSERT_TRUE(selector) << name;
    EXPECT_EQ(selector->name, name);
  }
  for (const std::string_view name : {"bool", "on", "ignoring", "group_left", "group_right", "atan2"}) {
    EXPECT_FALSE(parse(name)) << name;
  }
  EXPECT_EQ(shape_of("sum by (on, bool, a:b, \"x.y\") (fill + fill)"),
            "sum by (on, bool, \"a:b\", \"x.y\") (fill + fill)");
  EXPECT_EQ(shape_of("{\"x.y\",by=\"1\"}"), "{__name__=\"x.y\",by=\"1\"}");
}

TEST(Parser, SelectorsKeepWhatWasWritten) {
  const auto expr = parse("foo{a=\"1\",b!~\"x.*\"}[5m] smoothed offset -1h @ -12.3456");
  ASSERT_TRUE(expr) << expr.error().message;
  const auto* matrix = (*expr)->as<MatrixSelector>();
  ASSERT_TRUE(matrix);
  EXPECT_EQ(matrix->range_ms, 300'000);
  EXPECT_EQ(matrix->selector.name, "foo");
  ASSERT_EQ(matrix->selector.matchers.size(), 3U);
  EXPECT_EQ(matrix->selector.matchers.back(), Matcher::equal("__name__", "foo"));
  EXPECT_EQ(matrix->selector.shift.offset_ms, -3'600'000);
  EXPECT_EQ(matrix->selector.shift.at_ms, -12'346);
  EXPECT_EQ(matrix->selector.edges, WindowEdges::kSmoothed);
  EXPECT_EQ(value_type(**expr), ValueType::kMatrix);

  const auto subquery = parse("foo[1h:] @ end() offset 1.5");
  ASSERT_TRUE(subquery);
  const auto* node = (*subquery)->as<Subquery>();
  ASSERT_TRUE(node);
  EXPECT_EQ(node->step_ms, 0);
  EXPECT_EQ(node->shift.at_bound, AtBound::kEnd);
  EXPECT_EQ(node->shift.offset_ms, 1500);
}

TEST(Parser, Matching) {
  const auto expr = parse("a * on(x) group_left(y) fill_right(-2) fill_left(5m) b");
  ASSERT_TRUE(expr) << expr.error().message;
  const auto& matching = (*expr)->as<Binary>()->matching;
  ASSERT_TRUE(matching);
  EXPECT_EQ(matching->card, MatchCardinality::kManyToOne);
  EXPECT_TRUE(matching->on);
  EXPECT_EQ(matching->labels, std::vector<std::string>{"x"});
  EXPECT_EQ(matching->include, std::vector<std::string>{"y"});
  EXPECT_EQ(matching->fill.lhs, 300.0);
  EXPECT_EQ(matching->fill.rhs, -2.0);
  EXPECT_EQ((*parse("a and b"))->as<Binary>()->matching->card, MatchCardinality::kManyToMany);
  EXPECT_FALSE((*parse("a + on() 1"))->as<Binary>()->matching);
}

TEST(Parser, Positions) {
  const auto expr = parse("sum(\n  rate(foo[5m]))");
  ASSERT_TRUE(expr);
  EXPECT_EQ((*expr)->span, (Span{0, 21}));
  const auto& rate = *(*expr)->as<Aggregate>()->expr;
  EXPECT_EQ(rate.place, (Place{2, 3}));
  EXPECT_EQ(rate.as<Call>()->args[0]->place, (Place{2, 8}));
  EXPECT_EQ(place_of("a\nbc", 3), (Place{2, 2}));
}

TEST(Parser, SyntaxErrors) {
  const Case kCases[] = {
      {"", "unknown position: parse error: no expression found in input"},
      {"# nothing", "1:1: parse error: no expression found in input"},
      {"foo +", "1:6: parse error: unexpected end of input"},
      {"foo bar", "1:5: parse error: unexpected identifier \"bar\""},
      {"foo\n+ * 2", "2:3: parse error: unexpected <op:*>"},
      {"(1", "1:3: parse error: unclosed left parenthesis"},
      {"1)", "1:3: parse error: unexpected right parenthesis ')'"},
      {"1 !~ 1", "1:3: parse error: unexpected character after '!': '~'"},
      {"*1", "1:1: parse error: unexpected <op:*>"},
      {"foo{a}", "1:6: parse error: unexpected \"}\" in label matching, expected label matching operator"},
      {"foo{a=b}", "1:7: parse error: unexpected identifier \"b\" in label matching, expected string"},
      {"foo{a=\"b\" c}", "1:11: parse error: unexpected identifier \"c\" in label matching, expected \",\" or \"}\""},
      {"foo{,}", "1:5: parse error: unexpected \",\" in label matching, expected identifier or \"}\""},
      {"foo[5m", "1:7: parse error: unclosed left bracket"},
      {"foo[]",
       "1:5: parse error: unexpected \"]\" in subquery or range selector, expected number, duration, step(), "
       "or range()"},
      {"foo[5m 1]", "1:8: parse error: unexpected number \"1\" in subquery or range, expected \":\" or \"]\""},
      {"foo[5m:1m 1]", "1:11: parse error: unexpected number \"1\" in subquery selector, expected \"]\""},
      {"foo[5m:=]",
       "1:8: parse error: unexpected \"=\" in subquery selector, expected number, duration, step(), "
       "range(), or \"]\""},
      {"foo offset bar",
       "1:12: parse error: unexpected identifier \"bar\" in offset, expected number, duration, "
       "step(), or range()"},
      {"foo offset (5m) + bar",
       "1:19: parse error: unexpected identifier \"bar\" in offset, expected number, "
       "duration, step(), or range()"},
      {"foo @ bar", "1:7: parse error: unexpected identifier \"bar\" in @, expected timestamp"},
      {"sum without(==)(foo)", "1:13: parse error: unexpected <op:==> in grouping opts, expected label"},
      {"sum by foo", "1:8: parse error: unexpected identifier \"foo\" in grouping opts, expected \"(\""},
      {"sum by (a b) (foo)",
       "1:11: parse error: unexpected identifier \"b\" in grouping opts, expected \",\" or \")\""},
      {"sum(foo bar)", "1:9: parse error: unexpected identifier \"bar\" in aggregation"},
      {"rate(foo[5m],)", "1:13: parse error: trailing commas not allowed in function call args"},
      {"RATE(x[1m])", "1:1: parse error: unknown function with name \"RATE\""},
      {"holt_winters(x[1m])", "1:1: parse error: unknown function with name \"holt_winters\""},
      {"x{a=~\"(\"}", "1:3: parse error: error parsing regexp: missing closing ): `^(?s:()$`"},
      {"1e999", "1:1: parse error: error parsing number: parsing \"1e999\": value out of range"},
      {"5m1h", "1:1: parse error: not a valid duration string: \"5m1h\""},
      {"1 + \"longer than ten\" 2", "1:23: parse error: unexpected number \"2\""},
      {"1 \"longer than ten\"", "1:3: parse error: unexpected string \"\\\"longer th\"..."},
  };
  for (const auto& test : kCases) EXPECT_EQ(error_of(test.query), test.expected) << test.query;
}

TEST(Parser, ModifierErrors) {
  const std::string_view kOffset =
      "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery";
  const std::string_view kAt =
      "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery";
  const struct {
    std::string_view query;
    std::string_view place;
    std::string_view message;
  } kCases[] = {
      {"1 + sum(x) offset 1m", "1:5", kOffset},
      {"(foo) offset 1m", "1:1", kOffset},
      {"sum(x) @ 1", "1:1", kAt},
      {"foo offset 1m offset 2m", "1:1", "offset may not be set multiple times"},
      {"foo @ 1 @ 2", "1:1", "@ <timestamp> may not be set multiple times"},
      {"1 + foo @ Inf", "1:5", "timestamp out of bounds for @ modifier: +Inf"},
      {"foo offset 1m[5m]", "1:14", "no offset modifiers allowed before range"},
      {"foo @ 1 [5m]", "1:9", "no @ modifiers allowed before range"},
      {"(foo)[5m]", "1:6", "ranges only allowed for vector selectors"},
      {"foo[0]", "1:5", "duration must be greater than 0"},
      {"foo[-5m]", "1:5", "duration must be greater than 0"},
      {"foo[5m/0]", "1:7", "division by zero"},
      {"foo[5m%0]", "1:7", "modulo by zero"},
      {"foo[1e10]", "1:5", "duration out of range"},
      {"foo anchored smoothed", "1:1", "anchored and smoothed modifiers cannot be used together"},
      {"foo[5m:] anchored", "1:1", "anchored modifier is not supported for subqueries"},
      {"sum(foo) smoothed", "1:1", "smoothed modifier not implemented"},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(error_of(test.query), fmt::format("{}: parse error: {}", test.place, test.message)) << test.query;
  }
  EXPECT_TRUE(parse("foo offset 0 offset 5m"));
}

TEST(Parser, TypeErrors) {
  const Case kCases[] = {
      {"1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier"},
      {"1 + bool 1", "1:3: parse error: bool modifier can only be used on comparison operators"},
      {"1 and 1", "1:1: parse error: set operator \"and\" not allowed in binary scalar expression"},
      {"foo and 1", "1:1: parse error: set operator \"and\" not allowed in binary scalar expression"},
      {"foo + \"a\"", "1:7: parse error: binary expression must contain only scalar and instant vector types"},
      {"foo + on(a) 1", "1:1: parse error: vector matching only allowed between instant vectors"},
      {"foo + fill(1) 1", "1:1: parse error: filling in missing series only allowed between instant vectors"},
      {"foo and on(a) group_left() bar", "1:1: parse error: no grouping allowed for \"and\" operation"},
      {"foo and fill(1) bar", "1:1: parse error: filling in missing series not allowed for set operators"},
      {"foo * on(a, b) group_left(b) bar",
       "1:5: parse error: label \"b\" must not occur in ON and GROUP clause at once"},
      {"-\"a\"",
       "1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, got "
       "\"string\""},
      {"-foo[5m]",
       "1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, "
       "got \"range vector\""},
      {"1[5m:]", "1:1: parse error: subquery is only allowed on instant vector, got scalar instead"},
      {"foo[5m][5m:]", "1:1: parse error: subquery is only allowed on instant vector, got matrix instead"},
      {"sum(1)", "1:5: parse error: expected type instant vector in aggregation expression, got scalar"},
      {"topk(foo, bar)", "1:6: parse error: expected type scalar in aggregation parameter, got instant vector"},
      {"count_values(1, bar)", "1:14: parse error: expected type string in aggregation parameter, got scalar"},
      {"sum()", "1:1: parse error: no arguments for aggregate expression provided"},
      {"topk(foo)", "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1"},
      {"rate(foo)", "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector"},
      {"abs()", "1:1: parse error: expected 1 argument(s) in call to \"abs\", got 0"},
      {"abs(foo, 1)", "1:1: parse error: expected 1 argument(s) in call to \"abs\", got 2"},
      {"round()", "1:1: parse error: expected at least 1 argument(s) in call to \"round\", got 0"},
      {"round(a, 1, 2)", "1:1: parse error: expected at most 2 argument(s) in call to \"round\", got 3"},
      {"label_join(a, \"b\")", "1:1: parse error: expected at least 3 argument(s) in call to \"label_join\", got 2"},
      {"sort_by_label(a, 1)",
       "1:18: parse error: expected type string in call to function \"sort_by_label\", got scalar"},
      {"{}", "1:1: parse error: vector selector must contain at least one non-empty matcher"},
      {"{a=~\".*\"}", "1:1: parse error: vector selector must contain at least one non-empty matcher"},
      {"a{__name__=\"b\"}", "1:1: parse error: metric name must not be set twice: \"a\" or \"b\""},
      {"info(a, b)", "1:9: parse error: expected label selectors only, got vector selector instead"},
      {"info(a, {b=\"1\"} offset 5m)", "1:9: parse error: expected label selectors only"},
      // A syntax error further on goes before a type error.
      {"(1 == 1) + *", "1:12: parse error: unexpected <op:*>"},
  };
  for (const auto& test : kCases) EXPECT_EQ(error_of(test.query), test.expected) << test.query;
  for (const std::string_view fine :
       {"info(a, {})", "{__name__=~\"a.*\",__name__!=\"ab\"}", "label_join(a, \"b\", \"-\")", "sort_by_label(a)",
        "a + ignoring() 1", "hour()", "histogram_quantiles(a, \"q\", 0.1, 0.2, 0.3)", "1 == bool 1", "a </ 1"}) {
    EXPECT_TRUE(parse(fine)) << fine << ": " << parse(fine).error().message;
  }
}

TEST(Parser, BoundsInsteadOfCrashes) {
  const auto message = [](const std::string& query) { return error_of(query); };
  const std::string deep(5000, '(');
  EXPECT_NE(message(deep + "1" + std::string(5000, ')')).find("nested deeper than"), std::string::npos);
  EXPECT_NE(message(std::string(5000, '-') + "a").find("nested deeper than"), std::string::npos);
  std::string chain = "a";
  std::string duration = "a[1m";
  for (int i = 0; i < 5000; ++i) {
    chain += " + a";
    duration += " + 1m";
  }
  EXPECT_NE(message(chain).find("nested deeper than"), std::string::npos);
  EXPECT_NE(message(duration + "]").find("nested deeper than"), std::string::npos);
  const auto huge = parse(std::string(kMaxQueryBytes + 1, 'a'));
  ASSERT_FALSE(huge);
  EXPECT_EQ(huge.error().code, core::Errc::kLimitExceeded);
  EXPECT_TRUE(parse(std::string(200, '(') + "1" + std::string(200, ')')));
}

TEST(Parser, SeriesSelectors) {
  const auto matchers = parse_series_selector("up{job=~\"a|b\"}");
  ASSERT_TRUE(matchers);
  EXPECT_EQ(matchers->size(), 2U);
  EXPECT_EQ(parse_series_selector("{a=\"\"}").error().message, "match[] must contain at least one non-empty matcher");
  EXPECT_EQ(parse_series_selector("up offset 5m").error().message, "1:4: parse error: unexpected <offset>");
  EXPECT_EQ(parse_series_selector("up[5m]").error().message, "1:3: parse error: unexpected \"[\"");
  EXPECT_EQ(parse_series_selector("1").error().message, "1:1: parse error: unexpected number \"1\"");
  EXPECT_FALSE(parse_series_selector(""));
}

TEST(Parser, Metrics) {
  const auto metric = parse_metric("up{job=\"x\", \"a.b\"='y'}");
  ASSERT_TRUE(metric) << metric.error().message;
  EXPECT_EQ(*metric, (Labels{{"__name__", "up"}, {"job", "x"}, {"a.b", "y"}}));
  EXPECT_EQ(*parse_metric("{\"a.b\", x=\"1\"}"), (Labels{{"__name__", "a.b"}, {"x", "1"}}));
  EXPECT_EQ(*parse_metric("{}"), Labels{});
  EXPECT_EQ(parse_metric("up{a!=\"b\"}").error().message,
            "1:5: parse error: unexpected <op:!=> in label set, expected \"=\"");
  EXPECT_FALSE(parse_metric("up 1"));
  EXPECT_FALSE(parse_metric("1"));
}

std::string resolved(std::string_view query, DurationBounds bounds) {
  const auto expr = parse(query);
  if (!expr) return expr.error().message;
  const auto done = resolve_durations(*expr, bounds);
  if (!done) return done.error().message;
  if (const auto* matrix = (*done)->as<MatrixSelector>()) {
    return fmt::format("range {} offset {}", matrix->range_ms, matrix->selector.shift.offset_ms);
  }
  if (const auto* subquery = (*done)->as<Subquery>()) {
    return fmt::format("range {} step {} offset {}", subquery->range_ms, subquery->step_ms, subquery->shift.offset_ms);
  }
  const auto* vector = (*done)->as<VectorSelector>();
  return vector != nullptr ? fmt::format("offset {}", vector->shift.offset_ms) : print(**done);
}

TEST(Durations, Resolve) {
  const DurationBounds kRange = {15'000, 3'600'000};
  const struct {
    std::string_view query;
    DurationBounds bounds;
    std::string_view expected;
  } kCases[] = {
      {"foo[step()*2]", kRange, "range 30000 offset 0"},
      {"foo[range()/4 + 1m] offset (5m*2)", kRange, "range 960000 offset 600000"},
      {"foo offset -(1m + 30s) ", {}, "offset -90000"},
      {"foo offset min_of(1m, step())", kRange, "offset 15000"},
      {"foo[max_of(step(), 1m):STEP()] offset -step()", kRange, "range 60000 step 15000 offset -15000"},
      {"foo[-2^2 + 10]", {}, "range 6000 offset 0"},
      {"foo[7 % 4]", {}, "range 3000 offset 0"},
      {"foo[1.9996 + 0]", {}, "range 1999 offset 0"},
      {"foo[(5m)]", {}, "range 300000 offset 0"},
      {"foo[step()]", {}, "4:10: duration must be greater than 0"},
      {"foo[5m / step()]", {}, "4:15: division by zero"},
      {"foo[5m % step()]", {}, "4:15: modulo by zero"},
      {"foo[10^400]", {}, "4:10: duration is NaN or infinite"},
      {"foo[10^12]", {}, "4:9: duration is out of range"},
      {"foo offset (step() - 1)", {}, "offset -1000"},
      {"foo[5m:step()] offset (1/step())", {}, "23:31: division by zero"},
      {"abs(foo offset (5m))", {}, "abs(foo offset (5m))"},
  };
  for (const auto& test : kCases) EXPECT_EQ(resolved(test.query, test.bounds), test.expected) << test.query;
  const auto plain = parse("rate(foo[5m])");
  EXPECT_EQ(*resolve_durations(*plain, kRange), *plain);
}

}  // namespace
}  // namespace rules::promql
