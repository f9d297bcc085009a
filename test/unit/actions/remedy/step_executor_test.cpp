// SPDX-License-Identifier: Apache-2.0
// Steps against a real HTTP server and a real message bus; systemd itself cannot be had in a test, so a strict stand-in
// answers on the bus with systemd's own names.
#include "actions/remedy/step_executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <stdlib.h>
#include <systemd/sd-bus.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "core/net/io_loop.h"
#include "sample_remediations.h"
#include "test/support/background_process.h"

namespace actions::remedy {
namespace {

using core::Errc;
using core::Result;
using ::testing::HasSubstr;

class NoBackups final : public backup::BackupTaker {
 public:
  Result<backup::Record> take(const std::string&, const std::string&, std::stop_token) override {
    return core::fail(Errc::kNotFound, "there are no backups here");
  }
  Result<backup::Verification> verify(const std::string& name, backup::VerificationKind kind,
                                      const std::string& trigger, std::stop_token) override {
    if (name != "geth") return core::fail(Errc::kNotFound, "there is no backup {}", name);
    EXPECT_EQ(kind, backup::VerificationKind::kDrill);
    EXPECT_EQ(trigger, "run");
    drilled.snapshot = "0a1b2c3d";
    return drilled;
  }

  backup::Verification drilled;
};

// A unit and its manager, under systemd's names. Refuses what systemd refuses: other units, other modes.
class UnitOnTheBus {
 public:
  explicit UnitOnTheBus(const std::string& address) {
    sd_bus_new(&bus_);
    sd_bus_set_address(bus_, address.c_str());
    sd_bus_set_bus_client(bus_, 1);
    EXPECT_GE(sd_bus_start(bus_), 0);
    static const sd_bus_vtable kManager[] = {SD_BUS_VTABLE_START(0),
                                             SD_BUS_METHOD("LoadUnit", "s", "o", on_load, 0),
                                             SD_BUS_METHOD("StartUnit", "ss", "o", on_start, 0),
                                             SD_BUS_METHOD("StopUnit", "ss", "o", on_stop, 0),
                                             SD_BUS_METHOD("RestartUnit", "ss", "o", on_start, 0),
                                             SD_BUS_VTABLE_END};
    static const sd_bus_vtable kUnit[] = {SD_BUS_VTABLE_START(0),
                                          SD_BUS_PROPERTY("LoadState", "s", load_state, 0, 0),
                                          SD_BUS_PROPERTY("ActiveState", "s", active_state, 0, 0),
                                          SD_BUS_PROPERTY("SubState", "s", sub_state, 0, 0),
                                          SD_BUS_PROPERTY("Job", "(uo)", job, 0, 0),
                                          SD_BUS_PROPERTY("ActiveEnterTimestamp", "t", since, 0, 0),
                                          SD_BUS_VTABLE_END};
    static const sd_bus_vtable kService[] = {SD_BUS_VTABLE_START(0), SD_BUS_PROPERTY("MainPID", "u", main_pid, 0, 0),
                                             SD_BUS_VTABLE_END};
    sd_bus_add_object_vtable(bus_, nullptr, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", kManager,
                             this);
    sd_bus_add_object_vtable(bus_, nullptr, kGeth, "org.freedesktop.systemd1.Unit", kUnit, this);
    sd_bus_add_object_vtable(bus_, nullptr, kGone, "org.freedesktop.systemd1.Unit", kUnit, this);
    sd_bus_add_object_vtable(bus_, nullptr, kGeth, "org.freedesktop.systemd1.Service", kService, this);
    EXPECT_GE(sd_bus_request_name(bus_, "org.freedesktop.systemd1", 0), 0);
    thread_ = std::jthread([this](std::stop_token stop) {
      while (!stop.stop_requested()) {
        while (sd_bus_process(bus_, nullptr) > 0) {
        }
        sd_bus_wait(bus_, 10'000);
      }
    });
  }
  ~UnitOnTheBus() {
    thread_ = {};
    sd_bus_close_unref(bus_);
  }

  std::atomic<bool> fails{false};  // what is started does not become active
  std::atomic<int> looks_until_done{2};
  std::atomic<int> starts{0};
  std::atomic<bool> active{false};
  std::atomic<std::uint64_t> since_us{0};

 private:
  static constexpr const char* kGeth = "/org/freedesktop/systemd1/unit/geth_2eservice";
  static constexpr const char* kGone = "/org/freedesktop/systemd1/unit/gone_2eservice";
  static constexpr const char* kJob = "/org/freedesktop/systemd1/job/7";

  static UnitOnTheBus& self(void* data) { return *static_cast<UnitOnTheBus*>(data); }
  static int on_load(sd_bus_message* message, void*, sd_bus_error*) {
    const char* name = nullptr;
    sd_bus_message_read(message, "s", &name);
    return sd_bus_reply_method_return(message, "o", std::string_view(name) == "geth.service" ? kGeth : kGone);
  }
  static int change(sd_bus_message* message, void* data, sd_bus_error* error, bool active) {
    const char* name = nullptr;
    const char* mode = nullptr;
    sd_bus_message_read(message, "ss", &name, &mode);
    if (std::string_view(mode) != "replace") return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "mode");
    if (std::string_view(name) == "denied.service") {
      return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "Permission denied");
    }
    if (std::string_view(name) != "geth.service") {
      return sd_bus_error_set(error, "org.freedesktop.systemd1.NoSuchUnit", "Unit gone.service not found.");
    }
    UnitOnTheBus& unit = self(data);
    unit.active = active && !unit.fails;
    unit.starts += active;
    unit.looks_ = unit.looks_until_done.load();
    return sd_bus_reply_method_return(message, "o", kJob);
  }
  static int on_start(sd_bus_message* message, void* data, sd_bus_error* error) {
    return change(message, data, error, true);
  }
  static int on_stop(sd_bus_message* message, void* data, sd_bus_error* error) {
    return change(message, data, error, false);
  }
  static int load_state(sd_bus*, const char* path, const char*, const char*, sd_bus_message* reply, void*,
                        sd_bus_error*) {
    return sd_bus_message_append(reply, "s", std::string_view(path) == kGone ? "not-found" : "loaded");
  }
  static int active_state(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void* data,
                          sd_bus_error*) {
    return sd_bus_message_append(reply, "s", self(data).active ? "active" : self(data).fails ? "failed" : "inactive");
  }
  static int sub_state(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void* data,
                       sd_bus_error*) {
    return sd_bus_message_append(reply, "s", self(data).active ? "running" : "dead");
  }
  static int job(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void* data, sd_bus_error*) {
    UnitOnTheBus& unit = self(data);
    const bool pending = unit.looks_ > 0 && unit.looks_-- > 0;
    return sd_bus_message_append(reply, "(uo)", pending ? 7U : 0U, pending ? kJob : "/");
  }
  static int main_pid(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void* data,
                      sd_bus_error*) {
    return sd_bus_message_append(reply, "u", self(data).active ? 4711U : 0U);
  }
  static int since(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void* data, sd_bus_error*) {
    return sd_bus_message_append(reply, "t", self(data).since_us.load());
  }

  sd_bus* bus_ = nullptr;
  std::atomic<int> looks_{0};
  std::jthread thread_;
};

class StepExecutorTest : public ::testing::Test {
 protected:
  StepExecutorTest() : loop_thread_([this] { loop_.run(); }) {}
  ~StepExecutorTest() override {
    loop_.stop();
    loop_thread_.join();
  }

  StartStep start_of(Step step) {
    remedy::Run run;
    run.id = "run";
    run.remediation = "r";
    run.alert = alert_of("a");
    run.steps.emplace_back().step = std::move(step);
    run.steps[0].started = clock_.wall_now();
    run.steps[0].started_steady = clock_.steady_now() - steady_ahead_;
    return {"run", 0, std::make_shared<const remedy::Run>(std::move(run)), false};
  }
  StepFinished run(Step step, std::stop_token stop = {}) { return executor().run(start_of(std::move(step)), stop); }
  StepExecutor& executor() {
    if (!executor_) {
      executor_.emplace(StepExecutor::Dependencies{
          .commands = commands_,
          .backups = backups_,
          .services = *services_,
          .around = {.scheduler = loop_,
                     .http = *http_,
                     .clock = clock_,
                     .environment = [](const char*) { return std::string(); }},
          .tell = [this](const remedy::Run&, const std::string& text) { told_.push_back(text); }});
    }
    return *executor_;
  }

  core::SystemClock clock_;
  core::Duration
      steady_ahead_{};  // by so much the steady clock has gone further than the wall clock since a step began
  core::process::ChildProcessRunner commands_{clock_};
  NoBackups backups_;
  core::net::IoLoop loop_{clock_};
  std::unique_ptr<core::net::HttpClient> http_ = core::net::make_http_client(loop_, clock_);
  std::unique_ptr<core::process::ServiceControl> services_ =
      core::process::make_systemd_control("unix:path=/nowhere/at/all");
  std::optional<StepExecutor> executor_;
  std::vector<std::string> told_;
  std::thread loop_thread_;
};

TEST_F(StepExecutorTest, SendsARequestAndJudgesTheAnswer) {
  httplib::Server server;
  server.Post("/restart/a", [](const httplib::Request& request, httplib::Response& response) {
    const bool right = request.body == "{\"x\":1}" && request.get_header_value("X-Why") == "test";
    response.status = right ? 202 : 400;
    response.set_content("taken on", "text/plain");
  });
  server.Get("/slow", [](const httplib::Request&, httplib::Response& response) {
    response.set_chunked_content_provider("text/plain", [](std::size_t, httplib::DataSink& sink) {
      sink.write(".", 1);
      return sink.is_writable();
    });
  });
  const int port = server.bind_to_any_port("127.0.0.1");
  std::jthread serving([&] { server.listen_after_bind(); });
  const std::string base = "http://127.0.0.1:" + std::to_string(port);

  HttpStep http{.url = base + "/restart/a", .headers = {{"X-Why", "test"}}, .body = "{\"x\":1}"};
  const StepFinished taken = run(Step{http, {}});
  EXPECT_EQ(taken.outcome, Outcome::kSucceeded) << taken.result;
  EXPECT_THAT(taken.result, HasSubstr("status 202"));
  EXPECT_EQ(taken.output, "taken on");
  http.expect_status = {200};
  EXPECT_EQ(run(Step{http, {}}).outcome, Outcome::kFailed);
  http.body = "";
  http.expect_status = {};
  EXPECT_THAT(run(Step{http, {}}).result, HasSubstr("status 400"));
  const StepFinished slow =
      run(Step{HttpStep{.method = "GET", .url = base + "/slow", .timeout = core::Millis(100)}, {}});
  EXPECT_EQ(slow.outcome, Outcome::kFailed);
  const StepFinished nobody = run(Step{HttpStep{.url = "http://127.0.0.1:1/"}, {}});
  EXPECT_EQ(nobody.outcome, Outcome::kFailed);
  std::stop_source ended;
  ended.request_stop();
  EXPECT_EQ(run(Step{http, {}}, ended.get_token()).outcome, Outcome::kStopped);
  server.stop();
}

TEST_F(StepExecutorTest, TriesARestore) {
  backups_.drilled.succeeded = true;
  backups_.drilled.files = 3;
  backups_.drilled.bytes = 42;
  const StepFinished tried = run(Step{RestoreDrillStep{"geth"}, {}});
  EXPECT_EQ(tried.outcome, Outcome::kSucceeded);
  EXPECT_EQ(tried.result, "snapshot 0a1b2c3d: 3 files, 42 bytes restored and looked at");
  backups_.drilled.succeeded = false;
  backups_.drilled.error = "file damaged";
  const StepFinished damaged = run(Step{RestoreDrillStep{"geth"}, {}});
  EXPECT_EQ(damaged.outcome, Outcome::kFailed);
  EXPECT_EQ(damaged.result, "file damaged");
  EXPECT_EQ(run(Step{RestoreDrillStep{"other"}, {}}).result, "there is no backup other");
}

TEST_F(StepExecutorTest, WaitsAndTells) {
  EXPECT_EQ(run(Step{WaitStep{core::Millis(5)}, {}}).result, "waited 5ms");
  std::stop_source ended;
  ended.request_stop();
  EXPECT_EQ(run(Step{WaitStep{std::chrono::hours(1)}, {}}, ended.get_token()).outcome, Outcome::kStopped);
  EXPECT_EQ(run(Step{NotifyStep{"hello"}, {}}).outcome, Outcome::kSucceeded);
  EXPECT_EQ(told_, std::vector<std::string>{"hello"});
}

TEST_F(StepExecutorTest, AProgramSaysWhetherAnotherRan) {
  ExecStep exec{.argv = {"/bin/false"}};
  const std::pair<const char*, Verdict> cases[] = {{"exit 0", Verdict::kYes},
                                                   {"exit 1", Verdict::kNo},
                                                   {"exit 2", Verdict::kUnknown},
                                                   {"kill -9 $$", Verdict::kUnknown}};
  for (const auto& [script, expected] : cases) {
    exec.check = {"/bin/sh", "-c", script};
    EXPECT_EQ(executor().look(start_of(Step{exec, {}}), {}).happened, expected) << script;
  }
  exec.check = {"/no/such/program"};
  EXPECT_EQ(executor().look(start_of(Step{exec, {}}), {}).happened, Verdict::kUnknown);
}

TEST_F(StepExecutorTest, WithoutSystemdAUnitIsNotTouched) {
  const StepFinished finished = run(Step{SystemdStep{"geth.service"}, {}});
  EXPECT_EQ(finished.outcome, Outcome::kFailed);
  EXPECT_THAT(finished.result, HasSubstr("systemd cannot be reached"));
  EXPECT_EQ(executor().look(start_of(Step{SystemdStep{"geth.service"}, {}}), {}).happened, Verdict::kUnknown);
}

TEST_F(StepExecutorTest, UnitsOverTheBus) {
  const auto folder = test_support::fresh_folder("step-executor-bus");
  const std::string address = "unix:path=" + (folder / "bus").string();
  test_support::BackgroundProcess bus({"dbus-daemon", "--session", "--nofork", "--nopidfile", "--address=" + address},
                                      folder / "bus.log");
  ASSERT_TRUE(test_support::eventually(std::chrono::seconds(10), [&] {
    return std::filesystem::exists(folder / "bus");
  })) << bus.log_text();
  services_ = core::process::make_systemd_control(address);
  EXPECT_THAT(run(Step{SystemdStep{"geth.service"}, {}}).result, HasSubstr("geth.service: "));  // nobody is systemd

  UnitOnTheBus unit(address);
  EXPECT_EQ(run(Step{SystemdStep{"geth.service"}, {}}).result, "geth.service is active (running)");
  EXPECT_EQ(unit.starts, 1);
  EXPECT_EQ(run(Step{SystemdStep{"geth.service", UnitAction::kStop}, {}}).result, "geth.service is inactive (dead)");
  EXPECT_EQ(run(Step{SystemdStep{"geth.service", UnitAction::kStart}, {}}).outcome, Outcome::kSucceeded);
  EXPECT_THAT(run(Step{SystemdStep{"gone.service"}, {}}).result, HasSubstr("Unit gone.service not found."));
  EXPECT_THAT(run(Step{SystemdStep{"denied.service"}, {}}).result, HasSubstr("Permission denied"));

  // A job that does not end, and one that ends badly.
  unit.looks_until_done = 1'000'000;
  SystemdStep impatient{"geth.service"};
  impatient.timeout = core::Millis(50);
  EXPECT_THAT(run(Step{impatient, {}}).result, HasSubstr("is still active after 50ms"));
  unit.looks_until_done = 1;
  unit.fails = true;
  const StepFinished failed = run(Step{SystemdStep{"geth.service"}, {}});
  EXPECT_EQ(failed.outcome, Outcome::kFailed);
  EXPECT_EQ(failed.result, "geth.service is failed (dead)");

  // After a crash: whether the restart happened shows in when the unit became active.
  const Step restart{SystemdStep{"geth.service"}, {}};
  EXPECT_EQ(executor().look(start_of(restart), {}).happened, Verdict::kUnknown);
  unit.fails = false;
  unit.active = true;
  EXPECT_EQ(executor().look(start_of(restart), {}).happened, Verdict::kNo);
  unit.since_us = static_cast<std::uint64_t>(clock_.unix_ms() + 60'000) * 1000;
  EXPECT_EQ(executor().look(start_of(restart), {}).happened, Verdict::kYes);
  EXPECT_EQ(executor().look(start_of(Step{SystemdStep{"gone.service"}, {}}), {}).happened, Verdict::kUnknown);
  // Unless the clock that both are told by was set meanwhile.
  for (const core::Duration ahead : {core::Duration(std::chrono::hours(1)), core::Duration(-std::chrono::minutes(1))}) {
    steady_ahead_ = ahead;
    const StepSeen seen = executor().look(start_of(restart), {});
    EXPECT_EQ(seen.happened, Verdict::kUnknown);
    EXPECT_THAT(seen.why, HasSubstr("the clock was set since"));
  }
}

}  // namespace
}  // namespace actions::remedy
