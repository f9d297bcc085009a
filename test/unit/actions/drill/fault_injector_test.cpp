// SPDX-License-Identifier: Apache-2.0
// Faults against real programs, a real tmpfs and a real nftables in a network namespace of its own; systemd is a
// stand-in here, and one on a real bus in the tests of the agent as a whole.
#include "actions/drill/fault_injector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "actions/drill/scratch_fill.h"
#include "sample_drills.h"
#include "test/support/background_process.h"
#include "test/unit/actions/remedy/step_world.h"

namespace actions::drill {
namespace {

namespace fs = std::filesystem;
using core::Errc;
using core::Result;
using core::process::UnitStatus;
using core::process::UnitVerb;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class FakeUnits final : public core::process::ServiceControl {
 public:
  Result<UnitStatus> status(const std::string& unit, core::Duration) override {
    const auto found = active.find(unit);
    if (found == active.end()) return core::fail(Errc::kNotFound, "{}: there is no such unit", unit);
    UnitStatus status;
    status.active_state = found->second ? "active" : "inactive";
    status.sub_state = found->second ? "running" : "dead";
    return status;
  }
  Result<void> ask(UnitVerb verb, const std::string& unit, core::Duration) override {
    asked.push_back((verb == UnitVerb::kStart ? "start " : "stop ") + unit);
    if (broken.contains(unit)) return core::fail(Errc::kFailed, "{}: start request repeated too quickly", unit);
    active[unit] = verb == UnitVerb::kStart;
    if (verb == UnitVerb::kStop) {
      for (const std::string& each : with[unit]) active[each] = false;
    }
    return {};
  }
  Result<void> kill(const std::string& unit, int signal, core::Duration) override {
    asked.push_back("kill " + std::to_string(signal) + " " + unit);
    active[unit] = false;
    return {};
  }
  Result<std::vector<std::string>> stops_with(const std::string& unit, core::Duration) override { return with[unit]; }

  std::map<std::string, bool> active;
  std::map<std::string, std::vector<std::string>> with;
  std::map<std::string, bool> broken;
  std::vector<std::string> asked;
};

class FaultInjectorTest : public testing::Test {
 protected:
  FaultInjector::Survey survey(Fault fault, bool validators = false) {
    return injector_.survey(fault, component_, remedy::ProtectionConfig(), validators);
  }
  drill::Run run(Fault fault) {
    DrillConfig drill = geth_drill();
    drill.inject = std::move(fault);
    drill::Run run = run_of(drill, clock_.wall_now());
    run.units = survey(drill.inject).units;
    return run;
  }

  core::SystemClock clock_;
  core::process::ChildProcessRunner commands_{clock_};
  FakeUnits units_;
  remedy::StepWorld world_{[](const char*) { return std::string(); }};
  fs::path folder_ = test_support::fresh_folder("fault-injector");
  FaultInjector injector_{
      {.commands = commands_, .services = units_, .data_folder = folder_.string(), .cluster = world_.around}};
  DrillableConfig component_ = geth_component();
};

TEST_F(FaultInjectorTest, AUnitIsStoppedAndWhatRanBeforeIsStartedAgain) {
  units_.active = {{"geth.service", true}, {"exporter.service", true}, {"idle.service", false}};
  units_.with["geth.service"] = {"exporter.service", "idle.service", "gone.service"};
  component_.units = {"geth.service", "exporter.service"};
  const drill::Run stopped = run({UnitFault{.unit = "geth.service"}});
  EXPECT_THAT(stopped.units, ElementsAre("geth.service", "exporter.service"));
  EXPECT_THAT(survey(stopped.fault).objections, IsEmpty());
  EXPECT_EQ(injector_.inject(stopped, {}), Result<std::string>("geth.service is inactive (dead)"));
  EXPECT_FALSE(units_.active["exporter.service"]);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(injector_.restore(stopped, {}),
              Result<std::string>("geth.service is active (running), exporter.service is active (running)"));
  }
  EXPECT_FALSE(units_.active["idle.service"]) << "it did not run before";

  const drill::Run killed = run({UnitFault{"geth.service", UnitFaultAction::kKill, seconds(5)}});
  ASSERT_TRUE(injector_.inject(killed, {}));
  EXPECT_EQ(units_.asked.back(), "kill 9 geth.service");
  units_.broken["geth.service"] = true;
  const auto failed = injector_.restore(killed, {});
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("repeated too quickly"));
  EXPECT_EQ(units_.asked.back(), "start exporter.service") << "the others are started all the same";
}

TEST_F(FaultInjectorTest, WhatWouldStopAlongIsLookedThroughForValidators) {
  units_.active = {{"geth.service", true}, {"beacon.service", true}, {"lighthouse-vc.service", true}};
  units_.with["geth.service"] = {"beacon.service"};
  units_.with["beacon.service"] = {"lighthouse-vc.service", "geth.service"};
  const Fault stop{UnitFault{.unit = "geth.service"}};
  EXPECT_THAT(survey(stop).objections,
              ElementsAre(HasSubstr("beacon.service would stop with geth.service, and is not listed"),
                          HasSubstr("lighthouse-vc.service would stop with geth.service, and it names a validator")));
  component_.units = {"geth.service", "beacon.service", "lighthouse-vc.service"};
  EXPECT_EQ(survey(stop).objections.size(), 1U) << "being listed is not enough";
  EXPECT_THAT(survey(stop, true).objections, IsEmpty());
  units_.active["lighthouse-vc.service"] = false;
  EXPECT_THAT(survey(stop).objections, IsEmpty()) << "one that does not run";
  units_.active["geth.service"] = false;
  EXPECT_THAT(survey(stop).objections, ElementsAre("geth.service is inactive: it must run before"));
}

TEST_F(FaultInjectorTest, AProgramIsTakenAtItsExitStatus) {
  const std::string file = (folder_ / "hurt").string();
  const drill::Run hurt = run({ExecFault{{"/usr/bin/touch", file}, {"/bin/rm", "-f", file}, seconds(10)}});
  ASSERT_TRUE(injector_.inject(hurt, {}));
  EXPECT_TRUE(fs::exists(file));
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(injector_.restore(hurt, {}));
  EXPECT_FALSE(fs::exists(file));
  const auto failed = injector_.inject(run({ExecFault{{"/bin/ls", "/nowhere"}, {"/bin/true"}, seconds(10)}}), {});
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, testing::AllOf(HasSubstr("exited with 2"), HasSubstr("/nowhere")));
}

// A folder on a file system of its own, as a scratch disk is one.
class ScratchTest : public FaultInjectorTest {
 protected:
  void SetUp() override {
    struct stat root{};
    struct stat memory{};
    if (::stat("/", &root) != 0 || ::stat("/dev/shm", &memory) != 0 || root.st_dev == memory.st_dev) {
      GTEST_SKIP() << "/dev/shm is no file system of its own";
    }
    scratch_ = "/dev/shm/watchkeeper-drill-test-" + std::to_string(::getpid());
    fs::create_directories(scratch_ / "inner");
    component_.scratch = {{scratch_.string()}};
  }
  void TearDown() override {
    if (!scratch_.empty()) fs::remove_all(scratch_);
  }
  Fault fill(const fs::path& folder, std::uint64_t bytes) const { return {FillFault{{folder.string()}, {bytes}}}; }

  fs::path scratch_;
};

TEST_F(ScratchTest, RoomIsTakenAndGivenBack) {
  const drill::Run filled = run(fill(scratch_ / "inner", 5 << 20));
  EXPECT_THAT(survey(filled.fault).objections, IsEmpty());
  const auto done = injector_.inject(filled, {});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_THAT(*done, HasSubstr("took 5MiB"));
  struct stat file{};
  ASSERT_EQ(::stat((scratch_ / "inner" / kFillFile).c_str(), &file), 0);
  EXPECT_GE(file.st_blocks * 512, 5 << 20) << "reserved, not only a length";
  EXPECT_FALSE(injector_.inject(filled, {})) << "never over another's";
  EXPECT_THAT(survey(filled.fault).objections, ElementsAre(HasSubstr("already")));
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(injector_.restore(filled, {}));
  EXPECT_FALSE(fs::exists(scratch_ / "inner" / kFillFile));
  fs::remove(scratch_ / "inner");
  EXPECT_THAT(*injector_.restore(filled, {}), HasSubstr("is gone"));
}

TEST_F(ScratchTest, OnlyAScratchDisk) {
  fs::create_directory_symlink(scratch_ / "inner", scratch_ / "link");
  EXPECT_THAT(survey(fill(scratch_ / "link", 1)).objections, ElementsAre(HasSubstr("leads over a link")));
  fs::create_directory_symlink("/dev", scratch_ / "out");
  EXPECT_THAT(survey(fill(scratch_ / "out" / "shm", 1)).objections,
              ElementsAre(HasSubstr("is not below a scratch folder"), HasSubstr("leads over a link")));
  EXPECT_THAT(survey(fill(scratch_ / "missing", 1)).objections, ElementsAre(HasSubstr("No such file")));
  component_.scratch = {{folder_.string()}};
  EXPECT_THAT(survey(fill(folder_, 1)).objections, testing::Contains(HasSubstr("the file system of the agent's data")));
}

TEST_F(ScratchTest, AFullDiskIsFullAndAStopIsHeard) {
  std::stop_source stop;
  stop.request_stop();
  const FillFault large{{scratch_.string()}, {std::uint64_t{1} << 40}};
  EXPECT_EQ(fill_scratch(large, stop.get_token()).error().code, Errc::kCancelled);
  ASSERT_TRUE(empty_scratch(large));
}

// A network namespace, where that may be had.
class PortTest : public FaultInjectorTest {
 protected:
  void SetUp() override {
    name_ = "wk-drill-" + std::to_string(::getpid());
    if (!run_tool({"ip", "netns", "add", name_})) {
      name_.clear();
      GTEST_SKIP() << "no network namespaces here";
    }
    if (const auto nft = in({"nft", "list", "tables"}); nft.first != 0) GTEST_SKIP() << "no nftables here";
    ASSERT_EQ(in({"ip", "link", "set", "lo", "up"}).first, 0);
  }
  void TearDown() override {
    if (!name_.empty()) run_tool({"ip", "netns", "del", name_});
  }
  bool run_tool(std::vector<std::string> argv) {
    core::process::Command command;
    command.argv = std::move(argv);
    command.environment["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin";
    const auto exit = commands_.run(command);
    return exit && exit->succeeded();
  }
  // Exit status and output of a program in the namespace.
  std::pair<int, std::string> in(std::vector<std::string> argv) {
    argv.insert(argv.begin(), {"nsenter", "--net=/run/netns/" + name_});
    core::process::Command command;
    command.argv = std::move(argv);
    command.environment["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin";
    const auto exit = commands_.run(command);
    return {exit ? exit->status.value_or(-1) : -1, exit ? exit->output + exit->errors : exit.error().message};
  }
  // Whether a listener on the port is reached.
  bool reachable(int port) {
    return in({"python3", "-c",
               "import socket; s = socket.socket(); s.settimeout(1); s.connect(('127.0.0.1', " + std::to_string(port) +
                   "))"})
               .first == 0;
  }

  std::string name_;
};

TEST_F(PortTest, APortIsBlockedAndNothingElse) {
  const test_support::BackgroundProcess listeners(
      {"nsenter", "--net=/run/netns/" + name_, "python3", "-c",
       "import socket, time\n"
       "all = [socket.create_server(('127.0.0.1', port)) for port in (8545, 8546)]\n"
       "time.sleep(60)"},
      folder_ / "listeners.log");
  ASSERT_TRUE(test_support::eventually(seconds(10), [&] { return reachable(8546); }));
  const drill::Run blocked = run({PortFault{name_, 8545}});
  EXPECT_THAT(survey(blocked.fault).objections, IsEmpty());
  const auto done = injector_.inject(blocked, {});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_FALSE(reachable(8545));
  EXPECT_TRUE(reachable(8546));
  EXPECT_THAT(in({"nft", "list", "ruleset"}).second, testing::ContainsRegex("8545 timeout 11m"))
      << "the kernel ends it a minute after max_duration";
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(injector_.restore(blocked, {}));
  EXPECT_TRUE(reachable(8545));
  EXPECT_EQ(in({"nft", "list", "ruleset"}).second, "");
  const drill::Run refused = run({PortFault{name_, 8545, Direction::kOut, BlockedAnswer::kReset}});
  ASSERT_TRUE(injector_.inject(refused, {}));
  EXPECT_FALSE(reachable(8545));
  ASSERT_TRUE(injector_.restore(refused, {}));
  EXPECT_TRUE(reachable(8545));
}

TEST_F(PortTest, TheHostsOwnNamespaceIsLeftAlone) {
  EXPECT_THAT(survey({PortFault{"nothing-of-this-name", 80}}).objections,
              ElementsAre("there is no network namespace nothing-of-this-name"));
  const std::string host = name_ + "-host";
  ASSERT_TRUE(run_tool({"ip", "netns", "attach", host, std::to_string(::getpid())}));
  EXPECT_THAT(survey({PortFault{host, 80}}).objections, ElementsAre(HasSubstr("is the host's own")));
  EXPECT_TRUE(run_tool({"ip", "netns", "del", host}));
  EXPECT_THAT(*injector_.restore(run({PortFault{host, 80}}), {}), HasSubstr("is gone"));
}

}  // namespace
}  // namespace actions::drill
