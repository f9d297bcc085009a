// SPDX-License-Identifier: Apache-2.0
#include "actions/backup/interchange.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "slashing_database.h"
#include "temporary_folder.h"

namespace actions::backup {
namespace {

using core::Errc;
using ::testing::HasSubstr;

const std::string kRoot = "0x" + std::string(64, '4');

std::string document(const std::string& data, const std::string& version = "5", const std::string& root = kRoot) {
  return R"({"metadata":{"interchange_format_version":")" + version + R"(","genesis_validators_root":")" + root +
         R"("},"data":[)" + data + "]}";
}

std::string entry(const std::string& blocks, const std::string& attestations, char digit = 'a') {
  return R"({"pubkey":")" + SlashingDatabase::key(digit) + R"(","signed_blocks":[)" + blocks +
         R"(],"signed_attestations":[)" + attestations + "]}";
}

TEST(Interchange, ReadsWhatItWrites) {
  const std::string text = document(entry(R"({"slot":"81952","signing_root":"0x)" + std::string(64, 'B') + R"("})",
                                          R"({"source_epoch":"2290","target_epoch":"3007"})") +
                                    "," + entry("", "", 'c'));
  const auto read = Interchange::parse(text);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->keys.at(SlashingDatabase::key('a')).blocks.front(),
            (SignedBlock{81952, "0x" + std::string(64, 'b')}));
  const auto again = Interchange::parse(*read->to_json());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->keys, read->keys);
  EXPECT_EQ(again->genesis_validators_root, kRoot);
}

TEST(Interchange, JoinsTheEntriesOfOneKey) {
  const auto read = Interchange::parse(document(entry(R"({"slot":"10"})", "") + "," + entry(R"({"slot":"13"})", "")));
  ASSERT_TRUE(read);
  ASSERT_EQ(read->keys.size(), 1U);
  EXPECT_EQ(read->keys.begin()->second.blocks.size(), 2U);
}

// The highest source and the highest target need not come from one attestation: what surrounds, or is surrounded by,
// either of them is refused then.
TEST(Interchange, MinifiesToTheHighestOfEach) {
  const auto read = Interchange::parse(
      document(entry(R"({"slot":"20"},{"slot":"7"})",
                     R"({"source_epoch":"4","target_epoch":"5"},{"source_epoch":"2","target_epoch":"9"})") +
               "," + entry("", "", 'c')));
  ASSERT_TRUE(read);
  const Interchange minimal = read->minified();
  const SigningHistory& history = minimal.keys.at(SlashingDatabase::key('a'));
  EXPECT_EQ(history.blocks, (std::vector<SignedBlock>{{20, ""}}));
  EXPECT_EQ(history.attestations, (std::vector<SignedAttestation>{{4, 9, ""}}));
  EXPECT_TRUE(minimal.keys.at(SlashingDatabase::key('c')).blocks.empty());
  EXPECT_EQ(minimal.watermarks(), (Watermarks{2, 1, 20, 4, 9}));
  EXPECT_EQ(read->watermarks(), minimal.watermarks());
}

TEST(Interchange, SaysWhereADocumentIsWrong) {
  const std::pair<std::string, std::string> bad[] = {
      {"", "not a JSON object"},
      {"[]", "not a JSON object"},
      {document("", "4"), "format version 4"},
      {document("", "5", "0x12"), "genesis_validators_root"},
      {document(R"({"pubkey":"0x12"})"), "data[0]: pubkey"},
      {document(entry(R"({"slot":81952})", "")), "data[0].signed_blocks[0]: expected \"slot\" as a string"},
      {document(entry(R"({"slot":"-1"})", "")), "expected a decimal number"},
      {document(entry(R"({"slot":"18446744073709551616"})", "")), "expected a decimal number"},
      {document(entry("", R"({"source_epoch":"1"})")), "signed_attestations[0]: expected \"target_epoch\""},
      {document(entry(R"({"slot":"1","signing_root":"0x"})", "")), "signing_root"},
      {document("7"), "data[0]"},
      {R"({"metadata":{"interchange_format_version":"5","genesis_validators_root":")" + kRoot + R"("},"data":{}})",
       "\"data\" as a list"},
  };
  for (const auto& [text, expected] : bad) {
    const auto read = Interchange::parse(text);
    ASSERT_FALSE(read) << text;
    EXPECT_THAT(read.error().message, HasSubstr(expected)) << text;
  }
}

class SlashingTables : public ::testing::Test {
 protected:
  core::Result<Interchange> read(bool minify) {
    auto database = core::store::Database::open_read_only(path_);
    EXPECT_TRUE(database) << database.error().message;
    return read_slashing_protection(*database, minify);
  }
  TemporaryFolder folder_;
  std::string path_ = folder_.at("slashing_protection.sqlite");
  SlashingDatabase database_{path_};
};

TEST_F(SlashingTables, AreReadWhole) {
  database_.register_key(1, 'a');
  database_.register_key(2, 'b');
  database_.run("INSERT INTO validators VALUES(3, x'" + std::string(96, 'c') + "')");
  database_.sign_block(1, 100, '1');
  database_.sign_block(1, 90, '0');
  database_.attest(1, 2, 9, '2');
  database_.attest(1, 4, 5, '3');
  database_.attest(3, 0, 1, '4');
  const auto complete = read(false);
  ASSERT_TRUE(complete) << complete.error().message;
  const SigningHistory& history = complete->keys.at(SlashingDatabase::key('a'));
  EXPECT_EQ(history.blocks, (std::vector<SignedBlock>{{90, ""}, {100, "0x" + SlashingDatabase::root('1')}}));
  EXPECT_EQ(history.attestations.size(), 2U);
  EXPECT_EQ(complete->watermarks(), (Watermarks{3, 1, 100, 4, 9}));
  const auto minimal = read(true);
  ASSERT_TRUE(minimal);
  EXPECT_EQ(minimal->keys, complete->minified().keys);
}

TEST_F(SlashingTables, WithoutSenseAreRefused) {
  const std::pair<std::string, std::string> bad[] = {
      {"INSERT INTO signed_blocks VALUES(1, 'soon', x'00')", "slot \"soon\""},
      {"INSERT INTO signed_attestations VALUES(1, -1, 4, x'00')", "source_epoch \"-1\""},
      {"PRAGMA foreign_keys=0; INSERT INTO signed_blocks VALUES(9, 1, x'00')", "validator_id 9"},
      {"INSERT INTO validators VALUES(9, 'mine')", "public key \"mine\""},
  };
  database_.register_key(1, 'a');
  for (const auto& [sql, expected] : bad) {
    database_.run(sql);
    for (const bool minify : {true, false}) {
      const auto refused = read(minify);
      ASSERT_FALSE(refused) << sql;
      EXPECT_EQ(refused.error().code, Errc::kInvalid);
      EXPECT_THAT(refused.error().message, HasSubstr(expected));
    }
    database_.run("DELETE FROM signed_blocks; DELETE FROM signed_attestations; DELETE FROM validators WHERE id > 1");
  }
}

TEST(ChainComparisonTest, FindsTheKeysThatVoteWithoutTheDatabase) {
  const VotedEpochs database = {{"0xaa", 100}, {"0xbb", 90}, {"0xcc", std::nullopt}, {"0xdd", 7}};
  EXPECT_EQ(compare(database, {}), ChainComparison{});
  // What the database knows and the chain does not yet is as it should be.
  EXPECT_EQ(compare(database, {{"0xaa", 98}, {"0xbb", 90}, {"0xee", 500}}), (ChainComparison{2, 0, 0, ""}));
  EXPECT_EQ(compare(database, {{"0xaa", 98}, {"0xbb", 93}, {"0xcc", 2}, {"0xdd", std::nullopt}}),
            (ChainComparison{3, 2, 3, "0xbb"}));
}

}  // namespace
}  // namespace actions::backup
