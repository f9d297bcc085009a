// SPDX-License-Identifier: Apache-2.0
// A real systemd, as a user's instance in a mount namespace of its own, with node_exporter beside: the same units, and
// the same of each. And what only a broken one does.
#include "collector/host/systemd_units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "test/support/background_process.h"
#include "test/unit/collector/host/host_tree.h"

namespace collector::host {
namespace {

using test_support::BackgroundProcess;
using test_support::eventually;

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

// The user's instance wants /run/systemd/system to be there, and node_exporter looks nowhere but in /run. Both end with
// the shell that started them, and the services by themselves.
constexpr const char* kScript = R"sh(
mount -t tmpfs none /run || exit 77
mkdir -p /run/systemd/system "$1/units"
export XDG_RUNTIME_DIR="$1" SYSTEMD_UNIT_PATH="$1/units"
printf '[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/sleep 30\n' > "$1/units/sleeps.service"
printf '[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/false\nType=oneshot\n' > "$1/units/fails.service"
printf '#!/bin/sh\n[ -e "%s/failed" ] && exec sleep 30\ntouch "%s/failed"\nexit 1\n' \
  "$1" "$1" > "$1/fails_once"
chmod +x "$1/fails_once"
printf '[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=%s/fails_once\nRestart=on-failure\nRestartSec=10ms\n' \
  "$1" > "$1/units/again.service"
printf '[Unit]\nDefaultDependencies=no\n[Timer]\nOnCalendar=yearly\nUnit=fails.service\n' > "$1/units/due.timer"
printf '[Unit]\nDefaultDependencies=no\n[Socket]\nListenStream=%s/x.socket\nAccept=yes\n' "$1" > "$1/units/x.socket"
printf '[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/true\n' > "$1/units/x@.service"
printf '[Unit]\nDescription=d\nWants=sleeps.service fails.service again.service due.timer x.socket\n' \
  > "$1/units/default.target"
ln -s "$1/systemd/private" /run/systemd/private
setpriv --pdeathsig KILL prometheus-node-exporter --web.listen-address=127.0.0.1:$2 \
  --collector.disable-defaults --collector.systemd \
  --collector.systemd.enable-restarts-metrics --collector.systemd.enable-start-time-metrics \
  --collector.systemd.enable-task-metrics --collector.systemd.unit-exclude='.+\.(automount|device|mount|scope|slice)' &
setpriv --pdeathsig KILL /lib/systemd/systemd --user
)sh";

TEST_F(SystemdTest, SaysWhatNodeExporterSaysOfARealOne) {
  std::string folder = (std::filesystem::temp_directory_path() / "systemd_XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const int port = test_support::free_port();
  options = {.bus = "unix:path=" + folder + "/systemd/private", .start_time = true, .tasks = true};
  options.interval = {};
  {
    BackgroundProcess systemd({"unshare", "--mount", "sh", "-c", kScript, "sh", folder, std::to_string(port)},
                              folder + "/log");
    const auto settled = [&] {
      const std::string theirs = test_support::http_get(port, "/metrics").body;
      return theirs.find("name=\"fails.service\",state=\"failed\",type=\"oneshot\"} 1") != std::string::npos &&
             theirs.find("node_systemd_service_restart_total{name=\"again.service\"} 1") != std::string::npos;
    };
    if (!eventually(std::chrono::seconds(20), [&] { return settled() || !systemd.running(); }) || !systemd.running()) {
      if (systemd.wait({}) == 77) GTEST_SKIP() << "this needs a mount namespace of its own: root";
      FAIL() << systemd.log_text();
    }
    // What systemd is still about may change between the two.
    std::map<std::string, double> ours, theirs;
    for (int round = 0; round < 5 && (ours.empty() || ours != theirs); ++round) {
      ours = samples_of(run());
      theirs = samples_of(test_support::http_get(port, "/metrics").body);
      std::erase_if(theirs, [](const auto& each) { return !each.first.starts_with("node_systemd_"); });
    }
    ASSERT_TRUE(outcome) << outcome.error().message;
    EXPECT_THAT(theirs, testing::SizeIs(testing::Gt(20)));
    EXPECT_EQ(ours.at(R"(node_systemd_service_restart_total{name="again.service"})"), 1);
    for (const auto& [series, value] : theirs) {
      ASSERT_TRUE(ours.contains(series)) << series << " is " << value;
      EXPECT_EQ(ours.at(series), value) << series;
    }
    EXPECT_EQ(ours.size(), theirs.size());
    systemd.signal(SIGKILL);
    systemd.wait(std::chrono::seconds(5));
  }
  run();
  EXPECT_FALSE(outcome);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace collector::host
