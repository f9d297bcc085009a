// SPDX-License-Identifier: Apache-2.0
#include "collector/discovery/file_discovery.h"

#include <sys/stat.h>

#include <filesystem>

#include "test/support/background_process.h"
#include "test/unit/collector/discovery/discovery_world.h"

namespace collector::discovery {
namespace {

using test_support::write_file;

class FileDiscoveryTest : public DiscoveryTest {
 protected:
  void start(const std::string& patterns, const std::string& interval = "1h") {
    discovery = make_file_discovery(
        must_read<FileConfig>("{files: [" + patterns + "], refresh_interval: " + interval + "}"), context, sink);
  }
  std::string at(const std::string& name) const { return (folder / name).string(); }

  std::filesystem::path folder = test_support::fresh_folder(
      std::string("file_sd_") + testing::UnitTest::GetInstance()->current_test_info()->name());
  std::unique_ptr<Discovery> discovery;
};

TEST_F(FileDiscoveryTest, FollowsFilesAsTheyComeChangeAndGo) {
  write_file(at("a.json"), R"([{"targets": ["a:1"], "labels": {"x": "1"}}, {"targets": ["b:2"]}])");
  start(at("*.json") + ", " + at("*.yml"));
  run_until([&] { return sink.addresses() == "a:1 b:2"; });
  EXPECT_EQ(sink.label("__meta_filepath"), at("a.json"));
  EXPECT_EQ(sink.label("x"), "1");

  write_file(at("b.yml"), "- targets: [c:3]\n");
  run_until([&] { return sink.addresses() == "a:1 b:2 c:3"; });
  // Replaced by renaming, as those who know do it; a group less.
  write_file(at("new"), R"([{"targets": ["a:9"]}])");
  std::filesystem::rename(at("new"), at("a.json"));
  run_until([&] { return sink.addresses() == "a:9 c:3"; });
  std::filesystem::remove(at("a.json"));
  run_until([&] { return sink.addresses() == "c:3"; });
  write_file(at("b.yml"), "[]\n");
  run_until([&] { return sink.addresses().empty(); });
  EXPECT_TRUE(sink.errors.empty()) << sink.errors[0];
}

TEST_F(FileDiscoveryTest, ABrokenFileKeepsWhatItLastSaid) {
  write_file(at("a.json"), R"([{"targets": ["a:1"]}])");
  write_file(at("b.json"), R"([{"targets": ["b:1"]}])");
  start(at("*.json"));
  run_until([&] { return sink.addresses() == "a:1 b:1"; });
  write_file(at("new"), "[\n{\"targets\": [\"a:2\"]");
  std::filesystem::rename(at("new"), at("a.json"));
  run_until([&] { return !sink.errors.empty(); });
  EXPECT_NE(sink.errors.back().find(at("a.json") + ":2:"), std::string::npos) << sink.errors.back();
  write_file(at("b.json"), R"([{"targets": ["b:2"]}])");
  run_until([&] { return sink.addresses() == "a:1 b:2"; });
  // A file that cannot be read counts as broken, not as gone.
  std::filesystem::remove(at("a.json"));
  std::filesystem::create_directory(at("dir"));
  std::filesystem::rename(at("dir"), at("a.json"));
  sink.errors.clear();
  run_until([&] { return !sink.errors.empty() && sink.errors.back().find("regular file") != std::string::npos; });
}

TEST_F(FileDiscoveryTest, GroupsThatWereRefusedAreRemovedLater) {
  write_file(at("a.json"), R"([{"targets": ["a:1"]}, {"targets": ["b:1"]}])");
  start(at("*.json"), "50ms");
  run_until([&] { return sink.addresses() == "a:1 b:1"; });
  sink.refuses = true;
  const int before = sink.updates;
  write_file(at("a.json"), R"([{"targets": ["a:1"]}])");
  run_until([&] { return sink.updates > before + 2; });
  sink.refuses = false;
  run_until([&] { return sink.addresses() == "a:1"; });
}

TEST_F(FileDiscoveryTest, AFolderThatComesLaterIsFoundByTheInterval) {
  start(at("late/*.yaml"), "50ms");
  run_until([&] { return sink.updates > 0; });
  std::filesystem::create_directory(at("late"));
  write_file(at("late/a.yaml"), "- targets: [a:1]\n");
  run_until([&] { return sink.addresses() == "a:1"; });
}

TEST_F(FileDiscoveryTest, ASymbolicLinkThatIsTurnedIsAChange) {
  // A mounted ConfigMap: the file leads through ..data, which is replaced as a whole.
  std::filesystem::create_directory(at("one"));
  std::filesystem::create_directory(at("two"));
  write_file(at("one/t.json"), R"([{"targets": ["a:1"]}])");
  write_file(at("two/t.json"), R"([{"targets": ["a:2"]}])");
  std::filesystem::create_directory_symlink("one", at("..data"));
  std::filesystem::create_symlink("..data/t.json", at("t.json"));
  start(at("t.json"));
  run_until([&] { return sink.addresses() == "a:1"; });
  std::filesystem::create_directory_symlink("two", at("..next"));
  std::filesystem::rename(at("..next"), at("..data"));
  run_until([&] { return sink.addresses() == "a:2"; });
}

TEST_F(FileDiscoveryTest, MistakesAreNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {"{}", "file service discovery config must contain at least one path name"},
      {"{files: []}", "file service discovery config must contain at least one path name"},
      {"{files: [/x.txt]}", "path name \"/x.txt\" is not valid for file discovery"},
      {"{files: [/x*/a.json]}", "is not valid for file discovery"},
      {"{files: [/*a*.json]}", "is not valid for file discovery"},
      {"{files: [a.json], refresh: 5s}", "refresh"},
  };
  for (const auto& [yaml, error] : cases) {
    const auto config = read<FileConfig>(yaml);
    ASSERT_FALSE(config) << yaml;
    EXPECT_NE(config.error().message.find(error), std::string::npos) << config.error().message;
  }
  EXPECT_TRUE(read<FileConfig>("{files: [a.JSON, 'b/*.yml', x.YAML]}"));
}

}  // namespace
}  // namespace collector::discovery
