// SPDX-License-Identifier: Apache-2.0
#include "rules/promql/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>

#include "core/ring/ring.h"
#include "core/time/simulated_clock.h"

namespace rules::promql {
namespace {

using core::Errc;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A ring with `up` of two hosts, one sample every ten seconds from 0 to 600 s, and an engine over it.
class EngineTest : public ::testing::Test {
 protected:
  EngineTest() : ring_(core::ring::make_memory_ring()), appender_(ring_->make_appender()) {
    const auto timeline = appender_->open_timeline();
    const auto a = appender_->upsert(*timeline, {{"__name__", "up"}, {"host", "a"}});
    const auto b = appender_->upsert(*timeline, {{"__name__", "up"}, {"host", "b"}});
    for (std::int64_t time = 0; time <= 600'000; time += 10'000) {
      appender_->begin(*timeline, time);
      appender_->append(*a, static_cast<double>(time) / 1e3);
      appender_->append(*b, 1);
      appender_->publish();
    }
  }

  Engine engine(EngineOptions options = {}) const { return Engine(ring_->reader(), clock_, options); }

  core::SimulatedClock clock_;
  std::unique_ptr<core::ring::Ring> ring_;
  std::unique_ptr<core::ring::Appender> appender_;
};

TEST_F(EngineTest, AnswersWithEveryTypeOfValue) {
  const auto vector = engine().instant(R"(up{host="a"})", 65'000);
  ASSERT_TRUE(vector) << vector.error().message;
  const auto& elements = std::get<Vector>(vector->value);
  ASSERT_EQ(elements.size(), 1U);
  EXPECT_EQ(elements[0].labels.to_string(), R"(up{host="a"})");
  EXPECT_EQ(elements[0].sample.value, 60);
  EXPECT_EQ(elements[0].sample.time_ms, 65'000);
  EXPECT_TRUE(vector->found_series);

  const auto scalar = engine().instant("1 + 1", 5);
  ASSERT_TRUE(scalar);
  EXPECT_EQ(std::get<Scalar>(scalar->value).value, 2);
  EXPECT_EQ(std::get<Scalar>(scalar->value).time_ms, 5);
  EXPECT_FALSE(scalar->found_series);

  const auto text = engine().instant(R"(("word"))", 0);
  ASSERT_TRUE(text);
  EXPECT_EQ(std::get<StringValue>(text->value).text, "word");

  const auto matrix = engine().instant("up[20s]", 25'000);
  ASSERT_TRUE(matrix);
  const auto& series = std::get<Matrix>(matrix->value);
  ASSERT_EQ(series.size(), 2U);
  EXPECT_EQ(series[0].samples.size(), 2U);
  EXPECT_EQ(series[0].samples[0].time_ms, 10'000);
}

TEST_F(EngineTest, RangeOfAScalarIsOneSeriesWithoutLabels) {
  const auto result = engine().range("time()", {0, 5'000, 2'000});
  ASSERT_TRUE(result);
  const auto& series = std::get<Matrix>(result->value);
  ASSERT_EQ(series.size(), 1U);
  EXPECT_TRUE(series[0].labels.empty());
  ASSERT_EQ(series[0].samples.size(), 3U);
  EXPECT_EQ(series[0].samples[2].time_ms, 4'000);
  EXPECT_EQ(series[0].samples[2].value, 4);
}

TEST_F(EngineTest, TheNewestSampleIsTakenWithoutReadingOthers) {
  const auto result = engine().instant(R"(up{host="a"})", 610'000);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->samples_read, 1U);
  EXPECT_EQ(std::get<Vector>(result->value).at(0).sample.value, 600);
}

TEST_F(EngineTest, SaysIfNoSeriesWasFound) {
  const auto result = engine().instant("missing > 1 or absent(missing)", 0);
  ASSERT_TRUE(result);
  EXPECT_FALSE(result->found_series);
}

TEST_F(EngineTest, ImmediateNameRemovalSeesDuplicatesAtOnce) {
  const auto timeline = appender_->open_timeline();
  const auto other = appender_->upsert(*timeline, {{"__name__", "down"}, {"host", "a"}});
  appender_->begin(*timeline, 600'000);
  appender_->append(*other, 7);
  appender_->publish();
  const std::string query = R"q(label_replace(abs({host="a"}), "name", "$1", "__name__", "(.*)"))q";
  const auto immediate = engine().instant(query, 600'000);
  ASSERT_FALSE(immediate);
  EXPECT_EQ(immediate.error().message, "vector cannot contain metrics with the same labelset");
  EngineOptions options;
  options.name_removal = NameRemoval::kDelayed;
  const auto delayed = engine(options).instant(query, 600'000);
  ASSERT_TRUE(delayed) << delayed.error().message;
  EXPECT_EQ(std::get<Vector>(delayed->value).size(), 2U);
}

// Without delayed removal, range functions fail on equal labels even where no two points share a time.
TEST_F(EngineTest, ImmediateNameRemovalOfRangeFunctionsLooksAtWholeSeries) {
  const auto timeline = appender_->open_timeline();
  const auto late = appender_->upsert(*timeline, {{"__name__", "late"}, {"host", "a"}});
  appender_->begin(*timeline, 900'000);
  appender_->append(*late, 7);
  appender_->publish();
  const RangeParameters range{0, 900'000, 100'000};
  EXPECT_FALSE(engine().range(R"(sum_over_time({host="a"}[1m]))", range));
  EXPECT_TRUE(engine().range(R"(abs({host="a"} offset 10m))", {600'000, 700'000, 100'000}));
}

TEST_F(EngineTest, TypeLabelsTellCounters) {
  const auto timeline = appender_->open_timeline();
  const auto gauge = appender_->upsert(*timeline, {{"__name__", "heat_total"}, {"__type__", "gauge"}});
  appender_->begin(*timeline, 0);
  appender_->append(*gauge, 1);
  appender_->publish();
  appender_->begin(*timeline, 10'000);
  appender_->append(*gauge, 2);
  appender_->publish();
  EngineOptions options;
  options.counter_check = CounterCheck::kByTypeLabel;
  const auto result = engine(options).instant("rate(heat_total[1m])", 10'000);
  ASSERT_TRUE(result);
  EXPECT_THAT(result->annotations.infos,
              ElementsAre(R"(PromQL info: metric might not be a counter, __type__ label is not set to "counter" or )"
                          R"("histogram", got "gauge": "heat_total" (1:6))"));
  EXPECT_THAT(result->annotations.warnings, IsEmpty());
  EXPECT_THAT(engine().instant("rate(heat_total[1m])", 10'000)->annotations.infos, IsEmpty());
}

TEST_F(EngineTest, AnnotationsOfOneTextAreOneAtTheLastPlace) {
  const auto result = engine().instant("sum(rate(up[1m])) + sum(rate(up[2m]))", 60'000);
  ASSERT_TRUE(result);
  ASSERT_EQ(result->annotations.infos.size(), 1U);
  EXPECT_THAT(result->annotations.infos[0], HasSubstr("(1:30)"));
}

struct Refusal {
  const char* query;
  Errc code;
  const char* message;
};

class EngineRefusalTest : public EngineTest, public ::testing::WithParamInterface<Refusal> {};

TEST_P(EngineRefusalTest, FailsWithAReason) {
  const auto result = engine().instant(GetParam().query, 0);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, GetParam().code);
  EXPECT_THAT(result.error().message, HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Queries, EngineRefusalTest,
    ::testing::Values(Refusal{"up +", Errc::kInvalid, "1:5: parse error: unexpected end of input"},
                      Refusal{"up[range()]", Errc::kInvalid, "3:10: duration must be greater than 0"},
                      Refusal{"up + on() up", Errc::kFailed, "found duplicate series for the match group {}"},
                      Refusal{"topk(NaN, up)", Errc::kFailed, "Parameter value is NaN"},
                      Refusal{"histogram_count(up + on() up)", Errc::kFailed, "found duplicate series"}));

TEST_F(EngineTest, RangeQueryOfARangeVectorIsRefused) {
  const auto result = engine().range("up[5m]", {0, 1000, 1000});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::kInvalid);
  EXPECT_EQ(result.error().message,
            "invalid expression type \"range vector\" for range query, must be Scalar or instant Vector");
}

TEST_F(EngineTest, TimesFarFromTheEpochAreRefusedOrEmpty) {
  constexpr std::int64_t kFar = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(engine().instant("up", kFar).error().code, Errc::kInvalid);
  EXPECT_EQ(engine().range("up", {-kFar, kFar, 1}).error().code, Errc::kInvalid);
  const auto pinned = engine().instant("up @ 9e15 or sum_over_time(up[1h:1m] @ -9e15 offset 200y)", 0);
  ASSERT_TRUE(pinned) << pinned.error().message;
  EXPECT_TRUE(std::get<Vector>(pinned->value).empty());
}

TEST_F(EngineTest, SamplesHeldAreLimited) {
  EngineOptions options;
  options.max_samples = 100;
  constexpr const char* kMessage = "query processing would load too many samples into memory in query execution";
  for (const char* query : {"up[20m]", "sum_over_time(up[20m])", "sum(up or up offset 1m)[20m:5s]", "up"}) {
    const bool over_steps = std::string_view(query) == "up";
    const auto result =
        over_steps ? engine(options).range(query, {0, 600'000, 1'000}) : engine(options).instant(query, 600'000);
    if (std::string_view(query) == "sum_over_time(up[20m])") {  // 61 samples of one series at a time
      EXPECT_TRUE(result) << result.error().message;
      continue;
    }
    ASSERT_FALSE(result) << query;
    EXPECT_EQ(result.error().code, Errc::kLimitExceeded) << query;
    EXPECT_EQ(result.error().message, kMessage);
  }
  // What a finished part held does not count any more.
  EXPECT_TRUE(engine(options).instant("count_over_time(up[10m]) + count_over_time(up[10m])", 600'000));
}

TEST_F(EngineTest, WindowsThatLeaveGapsReadOnlyWhatTheyHold) {
  const auto result = engine().range(R"(count_over_time(up{host="a"}[20s]))", {100'000, 500'000, 200'000});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->samples_read, 6U);
  const auto& series = std::get<Matrix>(result->value);
  ASSERT_EQ(series.size(), 1U);
  ASSERT_EQ(series[0].samples.size(), 3U);
  EXPECT_EQ(series[0].samples[2].value, 2);
}

TEST_F(EngineTest, StepsWithoutSamplesAreLimitedToo) {
  const auto result = engine().instant("sum_over_time(vector(1)[100y:1ms])", 0);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::kLimitExceeded);
}

TEST_F(EngineTest, StopsWhenAsked) {
  std::stop_source stop;
  stop.request_stop();
  const auto result = engine().instant("up", 0, stop.get_token());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::kCancelled);
  EXPECT_EQ(result.error().message, "query was canceled in expression evaluation");
}

// A clock that runs ahead by a second whenever it is read.
class RunningClock final : public core::Clock {
 public:
  core::WallTime wall_now() const override { return {}; }
  core::SteadyTime steady_now() const override { return now_ += std::chrono::seconds(1); }

 private:
  mutable core::SteadyTime now_{};
};

TEST_F(EngineTest, EndsAtItsTimeout) {
  const RunningClock clock;
  EngineOptions options;
  options.timeout = std::chrono::seconds(20);
  const Engine slow(ring_->reader(), clock, options);
  EXPECT_TRUE(slow.instant("up", 0));
  // Each operand looks at the clock.
  std::string query = "up";
  for (int i = 0; i < 20; ++i) query += " + up";
  const auto result = slow.range(query, {0, 600'000, 10'000});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::kTimeout);
  EXPECT_EQ(result.error().message, "query timed out in expression evaluation");
}

TEST_F(EngineTest, DeepQueriesAreEvaluated) {
  std::string query = "up";
  for (int i = 0; i < 150; ++i) query = "-(" + query + ")";
  const auto result = engine().instant(query, 0);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(std::get<Vector>(result->value).size(), 2U);
}

}  // namespace
}  // namespace rules::promql
