// SPDX-License-Identifier: Apache-2.0
// CEL on JSON bodies: values, errors, and what is refused with its place.
#include "collector/probe/cel_expression.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/time/clock.h"

namespace collector::probe {
namespace {

using testing::HasSubstr;

// What a syncing node answers, and a few things more.
constexpr std::string_view kBody = R"({
  "data": {"head_slot": "123", "sync_distance": "1", "is_syncing": false, "peers": 7.5, "none": null},
  "status": "UP",
  "checks": [{"id": "a", "status": "UP", "n": 1}, {"id": "b", "status": "UP", "n": 2}, {"id": "c", "n": "x"}],
  "empty": [], "n": 5, "big": 9007199254740993, "twice": 1, "twice": 2, "text": "häuser", "a-b": {"in": 1}})";

struct CelCase {
  const char* expression;
  const char* expected;  // true, false, or a part of the error
};

void check(const CelCase& each, std::string_view body) {
  const auto expression = CelExpression::compile(each.expression);
  ASSERT_TRUE(expression) << each.expression << ": " << expression.error().message;
  const auto value = expression->evaluate(body);
  if (value) {
    EXPECT_STREQ(*value ? "true" : "false", each.expected) << each.expression;
  } else {
    EXPECT_THAT(value.error().message, HasSubstr(each.expected)) << each.expression;
  }
}

constexpr CelCase kValues[] = {
    {"body.data.is_syncing == false && int(body.data.sync_distance) <= 2", "true"},
    {"size(body.data) > 0", "true"},
    {R"(body.status == "UP" && body.checks.all(c, c.status == "UP"))", "no field status"},
    {R"(body.checks.exists(c, c.status == "UP"))", "true"},
    {R"(body.checks.all(c, c.id < "b" || c.status == "DOWN"))", "false"},
    {"has(body.error) == false", "true"},
    {"has(body.data.none) && body.data.none == null", "true"},
    {"has(body.missing.b)", "no field missing"},
    {"body.n == 5 && body.n > 4 && body.n >= 5u && 5 < body.n + 1.0", "true"},
    {"body.n + 1 > 2", "arithmetic has no meaning for double and int"},
    {"int(body.n) % 2 == 1 && int(body.n) / 2 == 2 && -int(body.n) % 3 == -2", "true"},
    {"1 == 1.0 && 1u < 2 && 2.5 > 2", "true"},
    {R"(body.status == 5)", "false"},
    {R"(body.status < 6)", "an order has no meaning for string and int"},
    {"body.missing == 1", "there is no field missing"},
    {"body.missing == 1 && false", "false"},
    {"false && body.missing == 1", "false"},
    {"body.missing == 1 || true", "true"},
    {"body.missing == 1 || false", "no field missing"},
    {"body.n && true", "a condition is double, not bool"},
    {R"(int("12") == 12 && int("-3") == -3 && uint("7") == 7u && int(2.9) == 2 && int(-2.9) == -2)", "true"},
    {R"(int("x") == 1)", "\"x\" is no whole number"},
    {"int(1e30) == 1", "out of range"},
    {"uint(-1) == 1u", "out of range"},
    {"body.checks[0.0].id == 'a' && body.checks[1].id == 'b' && body['n'] == 5", "true"},
    {"body.checks[0.5].id == 'a'", "must be a whole number"},
    {"body.checks[3].id == 'a'", "out of range"},
    {"body.checks[-1].id == 'a'", "out of range"},
    {"body.checks['a'] == 1", "must be a whole number"},
    {"body['a-b']['in'] == 1", "true"},
    {"body.twice == 2 && body.big == 9007199254740992.0", "true"},
    {"size(body.text) == 6 && body.text.size() == 6", "true"},
    {R"(body.text.startsWith("h\u00e4") && body.text.endsWith('ser') && body.text.contains("us"))", "true"},
    {R"(body.status.matches("^U.$") && matches(body.status, 'P') && !body.status.matches(r'\d'))", "true"},
    {"body.status.matches(body.text + '[')", "invalid regular expression"},
    {"body.n.contains('x')", "a function of texts has no meaning for double"},
    {"1 in [1, 2] && !(3 in [1, 2])", "true"},
    {"dyn(1.0) in [1] && 'n' in body && !('m' in body)", "true"},
    {"body.checks.map(c, c.id) == ['a', 'b', 'c']", "true"},
    {"body.checks.filter(c, has(c.status)).map(c, c.n * 2.0) == [dyn(2), dyn(4)]", "true"},
    {"body.checks.map(c, has(c.status), c.id).size() == 2", "true"},
    {"body.checks.exists_one(c, c.id == 'c')", "true"},
    {"body.checks.exists_one(c, c.status == 'UP')", "no field status"},
    {"body.empty.all(x, false) && !body.empty.exists(x, true)", "true"},
    {"body.data.all(k, k != 'body') && body.data.exists(k, body.data[k] == 7.5)", "true"},
    {"[1, 2].all(x, [3, 4].exists(y, y - x == 2))", "true"},
    {"[[1]].all(body, body[0] == 1)", "true"},
    {"type(body.n) == double && type(body.checks) == list && type(body.data) == map && type(1) == int", "true"},
    {"type(null) == null_type && type(type(1)) == type && type(true) == bool && type(1u) == uint", "true"},
    {R"(string(5) == "5" && string(1.5) == '1.5' && string(1e6) == "1e+06" && string(true) == 'true')", "true"},
    {R"(string(0.0001) == "0.0001" && string(0.00001) == "1e-05" && string(123456.0) == "123456")", "true"},
    {R"(bool("true") && !bool("F") && double("1.5") == 1.5)", "true"},
    {"bool('yes')", "neither true nor false"},
    {"{'a': 1, 'b': [1]} == {'b': [1], 'a': 1} && {1: 2}[1u] == 2 && {true: 'x'}[true] == 'x'", "true"},
    {"{'a': 1, 'a': 2}.a == 1", "given twice"},
    {"{1.5: 1} == {}", "cannot be a key"},
    {"body.n > 1 ? body.status == 'UP' : body.missing", "true"},
    {"9223372036854775807 + 1 > 0", "too large"},
    {"-9223372036854775808 - 1 < 0", "too large"},
    {"-9223372036854775808 / -1 < 0", "too large"},
    {"1u - 2u == 0u", "too large"},
    {"1 / 0 == 1", "division by zero"},
    {"1 % 0 == 1", "modulus by zero"},
    {"1.0 / 0.0 > 1e308 && 0x1F == 31 && 0xFFu == 255u && .5 == 5e-1", "true"},
    {"0.0 / 0.0 == 0.0 / 0.0", "false"},
    {R"('''a"b''' == "a\"b" && """it's""" == 'it\'s' && r"\n" == '\\n' && "\x41\101" == 'AA')", "true"},
    {"'a' + 'b' == 'ab' && [1] + [2] == [1, 2] // the end\n && true", "true"},
    {"1 + 2 * 3 == 7 && (1 + 2) * 3 == 9 && 10 - 4 - 3 == 3 && !false || false", "true"},
    {"body.data.peers", "the value is double, not bool"},
    {"dyn(body)", "the value is map, not bool"},
};

TEST(CelExpressionTest, HasTheValuesOfTheLanguage) {
  for (const CelCase& each : kValues) check(each, kBody);
}

TEST(CelExpressionTest, WantsOneWholeJsonValue) {
  const CelCase always = {"true", "not JSON"};
  for (const char* const body : {"", "  ", "<html>", "{\"a\":1", "[1,]", "{} {}", "nul", "\xff"}) check(always, body);
  check({"body == [] && body.a == 1", "list has no field a"}, "[]");
  check({"body == 1", "true"}, " 1 ");
  check({"true", "levels"}, std::string(100, '[') + std::string(100, ']'));
}

TEST(CelExpressionTest, TooManyValuesAreRefused) {
  std::string body = "[0";
  for (int i = 0; i < 200'000; ++i) body += ",0";
  check({"true", "more than 200000 values"}, body + "]");
}

constexpr CelCase kRefusals[] = {
    {"timestamp(body.t) > 1", "function \"timestamp\" is not supported (column 1)"},
    {"body.t.getFullYear() == 1", "function \"getFullYear\" is not supported (column 8)"},
    {"body == b'x'", "bytes are not supported (column 9)"},
    {"bytes(body.x) == 1", "function \"bytes\" is not supported (column 1)"},
    {"body.?a == 1", "an optional field (\"?\") is not supported (column 5)"},
    {"body[?'a'] == 1", "is not supported (column 5)"},
    {"[?body.a] == []", "is not supported (column 1)"},
    {"body{a: 1} == body", "construction of messages is not supported (column 5)"},
    {"math.abs(1) == 1", "\"math\" is not known"},
    {"cel.bind(x, 1, x == 1)", "\"cel\" is not known"},
    {"bodi.a == 1", "\"bodi\" is not known: there are \"body\" and the variables of macros (column 1)"},
    {"body.a.b(1)", "function \"b\" is not supported (column 8)"},
    {"[1].all(x, x == 1) && x == 1", "\"x\" is not known"},
    {"has(body)", "has() takes a field"},
    {"has(body['a'])", "has() takes a field"},
    {"body.all(1, true)", "all: expected a variable (column 10)"},
    {"body.all(for, true)", "all: expected a variable"},
    {"body.all(x)", "expected ','"},
    {"body.all(x, true, true)", "all does not take 3 arguments (column 6)"},
    {"size(body, 1) == 1", "size() does not take 2 arguments"},
    {"body.size(1) == 1", "size() does not take 1 arguments"},
    {"contains(body, 'x')", "function \"contains\" is not supported"},
    {"body.matches('(')", "invalid regular expression"},
    {"body.a ==", "the expression ends too early (column 10)"},
    {"", "the expression ends too early (column 1)"},
    {"body.a == 1 body", "unexpected \"body\" (column 13)"},
    {"(body.a", "expected ')'"},
    {"body.a = 1", "unexpected '='"},
    {"'abc", "the text does not end (column 1)"},
    {"'a\nb' == ''", "the text does not end"},
    {R"("\q" == '')", "unknown escape"},
    {R"("\ud800" == '')", "names no character"},
    {"1x == 1", "is not a number"},
    {"99999999999999999999 == 1", "is not a number"},
    {"9223372036854775808 == 1", "the number is too large (column 1)"},
    {"1 + 'a' == 2", "+ has no meaning for int, string (column 3)"},
    {"1 == 'a'", "== has no meaning for int, string"},
    {"1 < '2'", "an order has no meaning for int, string"},
    {"[1] < [2]", "an order has no meaning for list, list"},
    {"body.n % 2.0 == 1.0", "% has no meaning for dyn, double"},
    {"!1", "! has no meaning for int"},
    {"'a' && true", "&& has no meaning for string, bool"},
    {"body.map(x, x)", "the expression is of type list, not bool"},
    {"1 + 2", "the expression is of type int, not bool"},
    {"[1].a == 1", "a field has no meaning for list"},
    {"5.all(x, true)", "a macro has no meaning"},
    {"[1].exists(x, 5)", "a condition of type int (column 15)"},
    {"if == 1", "unexpected \"if\""},
    {"\xff", "not UTF-8"},
};

TEST(CelExpressionTest, RefusesWithThePlace) {
  for (const CelCase& each : kRefusals) {
    const auto expression = CelExpression::compile(each.expression);
    ASSERT_FALSE(expression) << each.expression;
    EXPECT_THAT(expression.error().message, HasSubstr(each.expected)) << each.expression;
  }
}

TEST(CelExpressionTest, HasBounds) {
  const auto refused = [](const std::string& text) {
    const auto expression = CelExpression::compile(text);
    return expression ? std::string() : expression.error().message;
  };
  EXPECT_THAT(refused(std::string(4097, ' ') + "true"), HasSubstr("more than 4096 bytes"));
  std::string many = "true";
  for (int i = 0; i < 512; ++i) many += "||true";
  EXPECT_THAT(refused(many), HasSubstr("more than 512 parts"));
  EXPECT_THAT(refused(std::string(100, '(') + "true" + std::string(100, ')')), HasSubstr("nested more than 64 deep"));
  EXPECT_THAT(refused(std::string(100, '!') + "true"), HasSubstr("nested more than 64 deep"));
  EXPECT_THAT(refused("[1].all(a, [1].all(b, [1].all(c, [1].all(d, true))))"), HasSubstr("macros nested more than 3"));
  EXPECT_EQ(refused("[1].all(a, [1].all(b, [1].all(c, a == b && b == c)))"), "");
}

TEST(CelExpressionTest, TooMuchWorkEndsSoon) {
  std::string list = "[0";
  for (int i = 0; i < 3000; ++i) list += ",0";
  const std::string body = "{\"l\":" + list + "],\"s\":\"" + std::string(100'000, 'x') + "\"}";
  std::string chain = "[body.s]";
  for (int i = 0; i < 60; ++i) chain += ".map(a, a + a)";
  const core::SystemClock clock;
  const core::SteadyTime start = clock.steady_now();
  for (const std::string& text :
       {std::string("body.l.all(a, body.l.all(b, body.l.all(c, a == b)))"),
        std::string("body.l.map(a, body.s.contains(body.s + 'y')).size() == 1"), chain + ".size() == 1",
        std::string("body.l.all(a, 'x'.matches(body.s.size() > 1 ? '(a|b)*' : 'b') || true)"),
        std::string("body.l.map(a, body.l + body.l).size() == 0")}) {
    check({text.c_str(), "too much work"}, body);
  }
  EXPECT_LT(clock.steady_now() - start, std::chrono::seconds(10));
}

}  // namespace
}  // namespace collector::probe
