// SPDX-License-Identifier: Apache-2.0
// The endpoints over a small ring: envelopes, parameters and their errors, as RULES_AND_API.md has them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/api/envelope.h"
#include "agent/api/query_api.h"
#include "agent/api/rules_api.h"
#include "agent/api/series_api.h"
#include "core/ring/ring.h"
#include "core/time/simulated_clock.h"

namespace agent {
namespace {

using testing::HasSubstr;

class EndpointsTest : public testing::Test {
 protected:
  EndpointsTest() {
    auto appender = ring_->make_appender();
    const auto timeline = *appender->open_timeline();
    const auto up = *appender->upsert(timeline, {{"__name__", "up"}, {"job", "a"}});
    const auto other = *appender->upsert(timeline, {{"__name__", "up"}, {"job", "b<"}});
    for (const std::int64_t time_ms : {1'000'000, 1'010'000, 1'020'500}) {
      appender->begin(timeline, time_ms);
      appender->append(up, 1);
      appender->append(other, 0.25);
      appender->publish();
    }
  }

  static ApiRequest get(std::string_view query) {
    ApiRequest request;
    request.method = "GET";
    request.parameters = Parameters(query, "");
    return request;
  }
  ApiResponse query(std::string_view parameters) const { return answer_query(source(), get(parameters)); }
  ApiResponse range(std::string_view parameters) const { return answer_query_range(source(), get(parameters)); }
  QuerySource source() const { return {ring_->reader(), clock_, {}, {}, gate_}; }

  mutable QueryGate gate_{1, 1};
  core::SimulatedClock clock_{core::from_unix_ms(1'030'000)};
  std::unique_ptr<core::ring::Ring> ring_ = core::ring::make_memory_ring();
};

TEST_F(EndpointsTest, Query) {
  EXPECT_EQ(query("query=up{job%3D%22a%22}").body,
            R"({"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"a"},)"
            R"("value":[1030,"1"]}]}})");
  EXPECT_EQ(query("query=1.5&time=1.05").body,
            R"({"status":"success","data":{"resultType":"scalar","result":[1.05,"1.5"]}})");
  EXPECT_THAT(query("query=up{job!%3D%22a%22}&time=1970-01-01T00:17:10Z").body,
              HasSubstr(R"("job":"b<"},"value":[1030,"0.25"])"));
  EXPECT_THAT(query("query=up&limit=1").body, HasSubstr(R"("warnings":["results truncated due to limit"])"));
  EXPECT_EQ(query("query=up&time=1000&lookback_delta=5s").status, 200);
  EXPECT_THAT(query("query=up&time=1025.6&lookback_delta=5").body, HasSubstr(R"("result":[])"));
}

TEST_F(EndpointsTest, QueryStats) {
  const std::string all = query("query=sum(up)&stats=all").body;
  EXPECT_THAT(all, HasSubstr(R"("samples":{"totalQueryableSamples":2,"samplesRead":2,"peakSamples":)"));
  EXPECT_THAT(all, testing::Not(HasSubstr("warnings")));
  EXPECT_THAT(query("query=up&stats=1").body, HasSubstr(R"(value \"1\" for parameter \"stats\" is deprecated)"));
}

TEST_F(EndpointsTest, QueryErrors) {
  const auto bad = query("query=1%2B");
  EXPECT_EQ(bad.status, 400);
  EXPECT_THAT(bad.body,
              HasSubstr(R"("errorType":"bad_data","error":"invalid parameter \"query\": 1:3: parse error: )"));
  EXPECT_THAT(query("query=up&time=yesterday").body,
              HasSubstr(R"(invalid parameter \"time\": invalid time value for 'time': cannot parse \"yesterday\")"));
  EXPECT_THAT(query("query=up&limit=-1").body, HasSubstr("limit must be non-negative"));
  EXPECT_THAT(query("query=up&timeout=x").body, HasSubstr(R"(invalid parameter \"timeout\": cannot parse \"x\")"));
  EXPECT_EQ(query("query=label_replace(up,%22job%22,%22c%22,%22job%22,%22.*%22)").status, 422)
      << "two series of one name are an execution error";
}

TEST_F(EndpointsTest, AQueryWithoutAPlaceTimesOut) {
  const auto place = gate_.enter(core::Millis(0), {});
  ASSERT_TRUE(place);
  const auto late = query("query=up&timeout=0.001");
  EXPECT_EQ(late.status, 503);
  EXPECT_THAT(late.body, HasSubstr(R"("errorType":"timeout","error":"query timed out in query queue")"));
  EXPECT_EQ(gate_.counts().timed_out, 1U);
  std::stop_source left;
  left.request_stop();
  ApiRequest abandoned = get("query=up");
  abandoned.hung_up = left.get_token();
  EXPECT_EQ(answer_query(source(), abandoned).status, 499);
  EXPECT_EQ(gate_.counts().running, 1U);
}

TEST(QueryGateTest, RefusesWhereTooManyWait) {
  QueryGate gate(1, 0);
  const auto place = gate.enter(core::Millis(0), {});
  ASSERT_TRUE(place);
  const auto refused = gate.enter(std::chrono::hours(1), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, core::Errc::kUnavailable);
  EXPECT_EQ(query_failure(refused.error()).status, 503);
  EXPECT_EQ(gate.counts().refused, 1U);
}

TEST_F(EndpointsTest, AQueryGivesItsPlaceBack) {
  EXPECT_EQ(query("query=up").status, 200);
  EXPECT_EQ(query("query=up%2B").status, 400);
  EXPECT_EQ(gate_.counts().running, 0U);
}

TEST_F(EndpointsTest, AQueryEndsWhenItsClientHasLeft) {
  std::stop_source left;
  left.request_stop();
  ApiRequest abandoned = get("query=up");
  abandoned.hung_up = left.get_token();
  const auto canceled = answer_query(source(), abandoned);
  EXPECT_EQ(canceled.status, 499);
  EXPECT_THAT(canceled.body, HasSubstr(R"("errorType":"canceled","error":"query was canceled in )"));
}

TEST_F(EndpointsTest, QueryRange) {
  EXPECT_EQ(range("query=up{job=%22a%22}&start=1000&end=1020&step=10").body,
            R"({"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"up","job":"a"},)"
            R"("values":[[1000,"1"],[1010,"1"],[1020,"1"]]}]}})");
  EXPECT_THAT(range("query=up&start=2&end=1&step=1").body,
              HasSubstr(R"(invalid parameter \"end\": end timestamp must not be before start time)"));
  EXPECT_THAT(range("query=up&start=1&end=2&step=0").body, HasSubstr("zero or negative query resolution step"));
  EXPECT_THAT(range("query=up&start=0&end=11001&step=1").body, HasSubstr("exceeded maximum resolution of 11,000"));
  EXPECT_EQ(range("query=up&start=0&end=11000&step=1").status, 200);
  EXPECT_THAT(range("query=up&end=2&step=1").body, HasSubstr(R"(invalid parameter \"start\": cannot parse \"\")"));
}

TEST_F(EndpointsTest, SeriesAndLabels) {
  const auto& reader = ring_->reader();
  EXPECT_EQ(answer_series(reader, get("match[]=up")).body,
            R"({"status":"success","data":[{"__name__":"up","job":"a"},{"__name__":"up","job":"b<"}]})");
  EXPECT_THAT(answer_series(reader, get("")).body, HasSubstr("no match[] parameter provided"));
  EXPECT_THAT(answer_series(reader, get("match[]={job=%22%22}")).body, HasSubstr("at least one non-empty matcher"));
  EXPECT_EQ(answer_series(reader, get("match[]=up&end=999")).body, R"({"status":"success","data":[]})");
  EXPECT_EQ(answer_series(reader, get("match[]=up&start=1005&end=1006")).body, R"({"status":"success","data":[]})");
  EXPECT_EQ(answer_labels(reader, get("")).body, R"({"status":"success","data":["__name__","job"]})");
  EXPECT_EQ(answer_label_values(reader, "job", get("match[]=up{job=%22a%22}")).body,
            R"({"status":"success","data":["a"]})");
  EXPECT_EQ(answer_label_values(reader, "job", get("limit=1")).body,
            R"({"status":"success","data":["a"],"warnings":["results truncated due to limit"]})");
  EXPECT_EQ(answer_label_values(reader, "%ff", get("")).status, 400);
}

TEST(UnescapeLabelNameTest, ReadsPrometheusEscapes) {
  EXPECT_EQ(unescape_label_name("job"), "job");
  EXPECT_EQ(unescape_label_name("U__a_2e_b__c"), "a.b_c");
  EXPECT_EQ(unescape_label_name("U___20ac_"), "\xe2\x82\xac");
  EXPECT_EQ(unescape_label_name("U__a_zz_"), "U__a_zz_");
  EXPECT_EQ(unescape_label_name("U__a_2e"), "U__a_2e");
}

TEST_F(EndpointsTest, UnboundedTimesOfGoClientsAreRead) {
  EXPECT_THAT(answer_series(ring_->reader(), get("match[]=up&start=-292273086-05-16T16:47:06Z"
                                                 "&end=292277025-08-18T07:12:54.999999999Z"))
                  .body,
              HasSubstr(R"("job":"a")"));
  EXPECT_EQ(query("query=up&time=292277025-08-18T07:12:54.999999999Z").status, 400);
}

TEST(ParseQueryTest, ShowsTheTree) {
  const auto tree = [](std::string_view query) {
    ApiRequest request;
    request.parameters = Parameters(query, "");
    return answer_parse_query(request).body;
  };
  EXPECT_EQ(tree("query=-foo%7Ba!~%22b%22%7D%5B5m%5D"),
            R"({"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:1: parse error: unary )"
            R"(expression only allowed on expressions of type scalar or instant vector, got \"range vector\""})");
  EXPECT_EQ(tree("query=rate(foo%7Ba!~%22b%22%7D%5B5m%5D offset 1m)"),
            R"({"status":"success","data":{"args":[{"anchored":false,"matchers":[{"name":"a","type":"!~","value":"b"},)"
            R"({"name":"__name__","type":"=","value":"foo"}],"name":"foo","offset":60000,"offsetExpr":null,)"
            R"("range":300000,"rangeExpr":null,"smoothed":false,"startOrEnd":null,"timestamp":null,)"
            R"("type":"matrixSelector"}],"func":{"argTypes":["matrix"],"name":"rate","returnType":"vector",)"
            R"("variadic":0},"type":"call"}})");
  EXPECT_EQ(tree("query=1 %2B on() a"),
            R"({"status":"success","data":{"bool":false,"lhs":{"type":"numberLiteral","val":"1"},"matching":null,)"
            R"("op":"+","rhs":{"anchored":false,"matchers":[{"name":"__name__","type":"=","value":"a"}],"name":"a",)"
            R"("offset":0,"offsetExpr":null,"smoothed":false,"startOrEnd":null,"timestamp":null,)"
            R"("type":"vectorSelector"},"type":"binaryExpr"}})");
  EXPECT_THAT(tree("query=a / on(i) group_left(x) fill_right(2) b"),
              HasSubstr(R"("matching":{"card":"many-to-one","fillValues":{"lhs":null,"rhs":2},"include":["x"],)"
                        R"("labels":["i"],"on":true},"op":"/")"));
  EXPECT_THAT(tree("query=sum without (a) (topk(2, (b)))"),
              HasSubstr(R"("grouping":["a"],"op":"sum","param":null,"type":"aggregation","without":true})"));
  EXPECT_THAT(tree("query=a[1h:2 * step()] @ end()"),
              HasSubstr(R"("range":3600000,"rangeExpr":null,"startOrEnd":"end","step":0,"stepExpr":{"lhs":)"
                        R"({"duration":false,"type":"numberLiteral","val":"2"},"op":"*","rhs":{"lhs":null,"op":"step",)"
                        R"("rhs":null,"type":"durationExpr","wrapped":false},"type":"durationExpr","wrapped":false},)"
                        R"("timestamp":null,"type":"subquery"})"));
  EXPECT_THAT(tree("query=count_values(%22<l>%22, a @ 1.5)"),
              HasSubstr(R"("param":{"type":"stringLiteral","val":"\u003cl\u003e"})"));
  EXPECT_THAT(tree("query=a @ 1.5"), HasSubstr(R"("timestamp":1500)"));
}

TEST(QueryExemplarsTest, FindsNoneButChecksTheQuestion) {
  const auto answer = [](std::string_view query) {
    ApiRequest request;
    request.parameters = Parameters(query, "");
    return answer_query_exemplars(request);
  };
  EXPECT_EQ(answer("query=rate(up[5m])").body, R"({"status":"success","data":[]})");
  EXPECT_EQ(answer("query=1").status, 204);
  EXPECT_EQ(answer("query=").status, 400);
  EXPECT_EQ(answer("query=up&start=x").status, 400);
}

TEST(RulesApiTest, PagesByTheHashOfTheNextGroup) {
  std::vector<std::shared_ptr<const rules::GroupStatus>> groups;
  for (const char* const name : {"a", "b", "c"}) {
    rules::GroupStatus group;
    group.file = "f.yml";
    group.name = name;
    group.rules.resize(1);
    groups.push_back(std::make_shared<const rules::GroupStatus>(std::move(group)));
  }
  ApiRequest request;
  request.parameters = Parameters("group_limit=2&exclude_alerts=T", "");
  // printf 'f.yml;c' | sha256sum
  constexpr std::string_view kToken = "bd716682d6fe6e24d7ef0157ab858df2a918ffc245d447276280f8186c97f309";
  EXPECT_THAT(answer_rules(groups, request).body, HasSubstr(fmt::format("\"groupNextToken\":\"{}\"", kToken)));
  request.parameters = Parameters(fmt::format("group_limit=2&group_next_token={}", kToken), "");
  const std::string last = answer_rules(groups, request).body;
  EXPECT_THAT(last, HasSubstr("\"name\":\"c\""));
  EXPECT_THAT(last, testing::Not(HasSubstr("groupNextToken")));
}

TEST(RulesApiTest, RefusesWhatItDoesNotKnow) {
  ApiRequest request;
  const auto error = [&request](std::string_view query) {
    request.parameters = Parameters(query, "");
    return answer_rules({}, request).body;
  };
  EXPECT_EQ(error(""), R"({"status":"success","data":{"groups":[]}})");
  EXPECT_THAT(error("type=x"), HasSubstr(R"(invalid parameter \"type\": not supported value \"x\")"));
  EXPECT_THAT(error("group_next_token=x"), HasSubstr("group_limit needs to be present"));
  EXPECT_THAT(error("group_limit=0"), HasSubstr("group_limit needs to be greater than 0"));
  EXPECT_THAT(error("group_limit=1&group_next_token=x"), HasSubstr("were rule groups changed?"));
  EXPECT_EQ(answer_alerts({}).body, R"({"status":"success","data":{"alerts":[]}})");
}

}  // namespace
}  // namespace agent
