// SPDX-License-Identifier: Apache-2.0
// Over a real message bus, with a stand-in for systemd behind it.
#include "core/process/service_control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "core/process/unit_wait.h"
#include "test/support/systemd_stand_in.h"

namespace core::process {
namespace {

using std::chrono::seconds;
using test_support::BackgroundProcess;
using test_support::eventually;
using test_support::SystemdStandIn;
using testing::HasSubstr;

TEST(ServiceControl, KillsAndKnowsWhatStopsAlong) {
  const auto folder = test_support::fresh_folder("service-control");
  const std::string address = "unix:path=" + (folder / "bus").string();
  const BackgroundProcess bus({"dbus-daemon", "--session", "--nofork", "--nopidfile", "--address=" + address},
                              folder / "bus.log");
  ASSERT_TRUE(eventually(seconds(10), [&] { return std::filesystem::exists(folder / "bus"); })) << bus.log_text();
  const std::vector<std::string> sleep = {"/bin/sleep", "1000"};
  SystemdStandIn systemd(address, {{"a.service", {sleep, {"b.service", "c.service"}}}, {"b.service", {sleep}}}, folder);
  const auto services = make_systemd_control(address);

  EXPECT_EQ(services->stops_with("a.service", seconds(5)),
            Result<std::vector<std::string>>(std::vector<std::string>{"b.service", "c.service"}));
  EXPECT_EQ(services->stops_with("b.service", seconds(5)),
            Result<std::vector<std::string>>(std::vector<std::string>{}));
  EXPECT_EQ(services->stops_with("none.service", seconds(5)).error().code, Errc::kNotFound);

  ASSERT_TRUE(services->kill("b.service", SIGKILL, seconds(5)));
  ASSERT_TRUE(eventually(seconds(5), [&] { return !systemd.active("b.service"); }));
  EXPECT_THAT(services->kill("b.service", SIGKILL, seconds(5)).error().message, HasSubstr("No main process to kill"));
  EXPECT_EQ(services->kill("none.service", SIGKILL, seconds(5)).error().code, Errc::kNotFound);

  ASSERT_TRUE(services->ask(UnitVerb::kStart, "b.service", seconds(5)));
  const SystemClock clock;
  const auto settled = wait_until_settled(*services, clock, "b.service", seconds(5), {});
  ASSERT_TRUE(settled) << settled.error().message;
  EXPECT_EQ(settled->active_state, "active");
}

}  // namespace
}  // namespace core::process
