// SPDX-License-Identifier: Apache-2.0
#include "collector/staking/key_list_reader.h"

#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace collector::staking {
namespace {

std::string key_text(int number) { return fmt::format("0x{:096x}", number); }

// How many keys, or why not; the text comes in pieces of `size`.
std::string read(const std::string& field, const std::string& text, std::size_t size, std::uint64_t bytes_max = 4096) {
  KeyListReader reader(field, bytes_max);
  core::net::Response response;
  response.status = 200;
  Answer answer{std::move(response), {}};
  for (std::size_t at = 0; at < text.size(); at += size) {
    if (reader.feed(std::string_view(text).substr(at, size))) continue;
    answer.response = core::fail(core::Errc::kCancelled, "ended by its receiver");
    break;
  }
  const auto keys = reader.finish(&answer);
  return keys ? std::to_string(keys->size()) : std::string(row_of(keys.error()).name);
}

TEST(KeyListReaderTest, ReadsWhatItKnowsWhateverThePieces) {
  struct Case {
    std::string field;
    std::string text;
    std::string result;
  };
  const std::string one = "\"" + key_text(1) + "\"";
  const std::string two = "\"" + key_text(2) + "\"";
  for (const Case& each : std::vector<Case>{
           {"", "[]", "0"},
           {"", " [" + one + " , " + two + "] ", "2"},
           {"", "[" + one + ",]", "not_json"},
           {"", "[" + one, "not_json"},
           {"", "[" + one + "] x", "not_json"},
           {"", "", "not_json"},
           {"", "{}", "bad_answer"},
           {"", "7", "bad_answer"},
           {"", "[[" + one + "]]", "bad_answer"},
           {"", "[{}]", "bad_answer"},
           {"", "[1]", "bad_answer"},
           {"", "[\"0x12\"]", "bad_answer"},
           {"k", R"({"data":[]})", "0"},
           {"k",
            R"({"more":{"data":[1],"k":2},"data":[{"k":)" + one + R"(,"x":{"k":3}},{"y":[{"k":4}],"k":)" + two +
                R"(}],"last":[[]]})",
            "2"},
           {"k", R"([{"k":)" + one + "}]", "bad_answer"},
           {"k", R"({"data":[{"k":)" + one + R"(}],"data":[]})", "bad_answer"},
           {"k", R"({"data":[{"k":)" + one + R"(,"k":)" + two + "}]}", "bad_answer"},
           {"k", R"({"data":[{"k":[)" + one + "]}]}", "bad_answer"},
           {"k", R"({"data":[{"x":{"k":)" + one + "}}]}", "bad_answer"},
           {"k", R"({"data":[)" + one + "]}", "bad_answer"},
           {"k", R"({"data":)" + one + "}", "bad_answer"},
           {"k", R"({"data":[{"k":null}]})", "bad_answer"},
           {"k", R"({"more":[{"k":)" + one + "}]}", "bad_answer"},
           {"k", R"({"data":[{"k":)" + one + "}]", "not_json"},
           {"k", "<html>", "not_json"},
       }) {
    for (std::size_t size = 1; size <= each.text.size() + 1; ++size) {
      EXPECT_EQ(read(each.field, each.text, size), each.result) << each.text << " in pieces of " << size;
    }
  }
}

TEST(KeyListReaderTest, IsBounded) {
  const std::string text = "[\"" + key_text(1) + "\"]";
  EXPECT_EQ(read("", text, 7, text.size()), "1");
  EXPECT_EQ(read("", text, 7, text.size() - 1), "body_too_large");
  EXPECT_EQ(read("", std::string(100, ' '), 7, 50), "body_too_large");
  EXPECT_EQ(read("", std::string(100, '['), 7), "bad_answer");
}

TEST(KeyListReaderTest, TellsWhyThereIsNoAnswer) {
  KeyListReader reader("", 100);
  EXPECT_EQ(reader.finish(nullptr).error(), Reason::kOther);
  Answer answer{core::fail(core::Errc::kTimeout, "context deadline exceeded"), {}};
  EXPECT_EQ(reader.finish(&answer).error(), Reason::kTimeout);
  core::net::Response response;
  response.status = 404;
  answer.response = response;
  EXPECT_EQ(reader.finish(&answer).error(), Reason::kNotOffered);
}

}  // namespace
}  // namespace collector::staking
