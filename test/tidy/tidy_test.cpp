// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tidy_rules.h"

namespace tidy {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLicence = "// SPDX-License-Identifier: Apache-2.0\n";

std::vector<std::string> messages(std::string_view path, const std::string& body) {
  std::vector<std::string> found;
  for (const Finding& finding : check_file(path, kLicence + body)) found.push_back(finding.message);
  return found;
}

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

// Every rule bites: a rule that cannot fail is no rule.
TEST(TidyRules, EachOneBites) {
  struct Case {
    std::string_view path;
    std::string body;
    std::string_view message;
  };
  std::string long_function = "void f() {\n";
  for (int i = 0; i < 75; ++i) long_function += "  g();\n";
  long_function += "}\n";
  std::string long_file;
  for (int i = 0; i < 501; ++i) long_file += "int a;\n";
  const std::vector<Case> cases = {
      {"core/a.cpp", "#include \"rules/b.h\"\n", "includes point"},
      {"rules/a.h", "#pragma once\n#include <re2/re2.h>\n", "in a header"},
      {"core/a.cpp", "auto t = std::chrono::steady_clock::now();\n", "take a core::Clock"},
      {"core/a.cpp", "const auto t = time(nullptr);\n", "take a core::Clock"},
      {"core/a.cpp", "std::this_thread::sleep_for(1s);\n", "Scheduler"},
      {"core/a.cpp", "int x = std::rand();\n", "seeded"},
      {"core/a.cpp", "std::system(\"ls\");\n", "argv"},
      {"core/a.cpp", "std::regex r;\n", "RE2"},
      {"core/a.cpp", "thread.detach();\n", "join"},
      {"core/a.cpp", "// TODO: later\n", "open an issue"},
      {"core/a.cpp", "class SeriesManager {\n};\n", "named for what it is"},
      {"core/string_utils.h", "#pragma once\n", "named for what is in it"},
      {"core/a.h", "int a;\n", "#pragma once"},
      {"core/a.h", "#pragma once\n\nclass A {};\n", "Thread safety"},
      {"core/a.cpp", std::string(121, 'x') + "\n", "longer than"},
      {"core/a.cpp", long_function, "a function of"},
      {"core/a.cpp", long_file, "lines: 500 at most"},
  };
  for (const Case& c : cases) EXPECT_THAT(messages(c.path, c.body), Contains(HasSubstr(c.message))) << c.body;
  EXPECT_THAT(check_file("core/a.cpp", "int a;\n").front().message, HasSubstr("licence"));
}

TEST(TidyRules, LetGoodCodePass) {
  EXPECT_THAT(messages("rules/a.cpp", "#include \"core/b.h\"\nauto t = clock.steady_now();\n"), IsEmpty());
  EXPECT_THAT(messages("core/time/clock.cpp", "return std::chrono::steady_clock::now();\n"), IsEmpty());
  EXPECT_THAT(messages("rules/a.cpp", "const auto t = functions::time(query);\n"), IsEmpty());
}

TEST(Tree, KeepsTheRulesOfTheHouse) {
  const fs::path root = WATCHKEEPER_SOURCE_DIR;
  std::size_t files = 0;
  for (const char* folder : {"core", "collector", "rules", "actions", "agent", "test"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const std::string extension = entry.path().extension();
      if (!entry.is_regular_file() || (extension != ".cpp" && extension != ".h")) continue;
      std::ifstream file(entry.path());
      std::stringstream text;
      text << file.rdbuf();
      ++files;
      // The samples of broken code above are text here.
      if (entry.path().filename() == "tidy_test.cpp") continue;
      for (const Finding& finding : check_file(fs::relative(entry.path(), root).string(), text.str())) {
        ADD_FAILURE() << finding.path << ":" << finding.line << ": " << finding.message;
      }
    }
  }
  EXPECT_GT(files, 50U) << "the walk found too few files to mean anything";
}

}  // namespace
}  // namespace tidy
