// SPDX-License-Identifier: Apache-2.0
#include "collector/remote_write/verdict.h"

#include <gmock/gmock.h>

namespace collector::remote_write {
namespace {

using core::Errc;
using core::Millis;
using Kind = Verdict::Kind;
using std::chrono::seconds;

// Sun, 06 Nov 1994 08:49:37 GMT
const core::WallTime kNow = core::from_unix_ms(784'111'777'000);

Verdict of(int status, core::net::Headers headers = {}, std::string body = "", bool retry_429 = false) {
  core::net::Response response;
  response.status = status;
  response.headers = std::move(headers);
  response.body = std::move(body);
  return judge(response, retry_429, kNow);
}

TEST(VerdictTest, StatusesAreJudgedAsPrometheusDoes) {
  for (const int status : {200, 204, 299}) EXPECT_EQ(of(status).kind, Kind::kDone) << status;
  for (const int status : {301, 307, 400, 401, 403, 404, 408, 409, 413, 422, 429, 499}) {
    EXPECT_EQ(of(status).kind, Kind::kDrop) << status;
  }
  for (const int status : {500, 502, 503, 504, 599}) EXPECT_EQ(of(status).kind, Kind::kRetry) << status;
  EXPECT_EQ(of(429, {}, "", true).kind, Kind::kRetry);
  EXPECT_EQ(of(428, {}, "", true).kind, Kind::kDrop);
}

TEST(VerdictTest, WithoutAnAnswerItIsTriedAgainUnlessTheRequestIsWrong) {
  for (const Errc code : {Errc::kTimeout, Errc::kUnavailable, Errc::kFailed, Errc::kLimitExceeded}) {
    EXPECT_EQ(judge(core::fail(code, "why"), false, kNow).kind, Kind::kRetry);
  }
  EXPECT_EQ(judge(core::fail(Errc::kInvalid, "why"), false, kNow).kind, Kind::kDrop);
}

TEST(VerdictTest, RetryAfterCountsOnlyWhereItIsTriedAgain) {
  const auto wait = [](const char* value, int status = 503) { return of(status, {{"Retry-After", value}}).wait; };
  EXPECT_EQ(wait("120"), seconds(120));
  EXPECT_EQ(wait("Sun, 06 Nov 1994 08:50:37 GMT"), seconds(60));
  EXPECT_EQ(wait("Sun, 06 Nov 1994 08:48:37 GMT"), std::nullopt);
  for (const char* const nothing : {"0", "-5", "soon", ""}) EXPECT_EQ(wait(nothing), std::nullopt) << nothing;
  EXPECT_EQ(wait("120", 400), std::nullopt);
}

TEST(VerdictTest, TheBodyIsQuotedOnOneLineAndCutOff) {
  EXPECT_EQ(of(400, {}, "out of\norder\x1b[31m\n").why,
            "server returned HTTP status 400 Bad Request: out of order [31m");
  EXPECT_LT(of(500, {}, std::string(100'000, 'x')).why.size(), kQuotedBodyBytesMax + 100);
}

TEST(VerdictTest, WrittenCountsAreRead) {
  EXPECT_EQ(of(200, {{"x-prometheus-remote-write-samples-written", "17"}}).written, 17U);
  EXPECT_EQ(of(200, {{"X-Prometheus-Remote-Write-Samples-Written", "many"}}).written, std::nullopt);
  EXPECT_EQ(of(200).written, std::nullopt);
}

TEST(BackoffTest, DoublesBetweenItsBounds) {
  Backoff backoff(Millis(30), Millis(200));
  EXPECT_EQ(backoff.wait({}), Millis(30));
  EXPECT_EQ(backoff.wait({}), Millis(60));
  EXPECT_EQ(backoff.wait(seconds(9)), seconds(9));
  EXPECT_EQ(backoff.wait({}), Millis(200));
  EXPECT_EQ(backoff.wait(Millis(40)), Millis(40));
  EXPECT_EQ(backoff.wait({}), Millis(80));
  backoff.reset();
  EXPECT_EQ(backoff.wait({}), Millis(30));
}

}  // namespace
}  // namespace collector::remote_write
