// SPDX-License-Identifier: Apache-2.0
#include "collector/host/systemd_units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "test/unit/collector/host/host_tree.h"

namespace collector::host {
namespace {

class SystemdTest : public testing::Test {
 protected:
  std::string run() {
    SystemdUnits units(clock, options);
    ExpositionWriter out;
    outcome = units.write(out);
    return out.take();
  }

  core::SystemClock clock;
  SystemdOptions options;
  core::Result<void> outcome;
};

TEST_F(SystemdTest, WithoutOneThereIsNoSuchThing) {
  options.bus = "unix:path=/nowhere/systemd/private";
  run();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, core::Errc::kNotFound) << outcome.error().message;
}

TEST_F(SystemdTest, OneThatNeverAnswersIsNotWaitedFor) {
  std::string folder = (std::filesystem::temp_directory_path() / "systemd_XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string path = folder + "/private";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int listening = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(::bind(listening, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listening, 5), 0);
  options.bus = "unix:path=" + path;
  const auto start = clock.steady_now();
  run();
  const auto took = clock.steady_now() - start;
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, core::Errc::kTimeout) << outcome.error().message;
  EXPECT_GE(took, kSystemdBudget - std::chrono::milliseconds(100));
  EXPECT_LT(took, kSystemdBudget + std::chrono::seconds(5));  // the machine may be busy
  ::close(listening);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace collector::host
