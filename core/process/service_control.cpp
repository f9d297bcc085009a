// SPDX-License-Identifier: Apache-2.0
#include "core/process/service_control.h"

#include <systemd/sd-bus.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

namespace core::process {
namespace {

constexpr const char* kService = "org.freedesktop.systemd1";
constexpr const char* kPath = "/org/freedesktop/systemd1";
constexpr const char* kManager = "org.freedesktop.systemd1.Manager";
constexpr const char* kUnit = "org.freedesktop.systemd1.Unit";
constexpr const char* kServiceUnit = "org.freedesktop.systemd1.Service";

// systemd.unit(5): what is stopped along with a unit. The last one came with systemd 249.
constexpr const char* kStopsWith[] = {"RequiredBy", "RequisiteOf", "BoundBy", "ConsistsOf", "PropagatesStopTo"};

struct BusCloser {
  void operator()(sd_bus* bus) const { sd_bus_close_unref(bus); }
};
struct MessageCloser {
  void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
};
using Bus = std::unique_ptr<sd_bus, BusCloser>;
using Message = std::unique_ptr<sd_bus_message, MessageCloser>;

// An error of one call, freed with it.
struct CallError {
  sd_bus_error value = SD_BUS_ERROR_NULL;
  ~CallError() { sd_bus_error_free(&value); }
};

Error error_of(const std::string& unit, int code, const sd_bus_error& told) {
  Error error;
  error.code = Errc::kFailed;
  error.message = fmt::format("{}: {}", unit, told.message != nullptr ? told.message : std::strerror(-code));
  const std::string_view name = told.name != nullptr ? told.name : "";
  if (name.ends_with("NoSuchUnit") || name.ends_with("LoadFailed")) error.code = Errc::kNotFound;
  if (code == -ETIMEDOUT || name.ends_with(".NoReply") || name.ends_with(".Timeout")) error.code = Errc::kTimeout;
  if (name.ends_with(".ServiceUnknown") || name.ends_with(".Disconnected")) error.code = Errc::kUnavailable;
  return error;
}

class SystemdControl final : public ServiceControl {
 public:
  explicit SystemdControl(std::string address) : address_(std::move(address)) {}

  Result<UnitStatus> status(const std::string& unit, Duration timeout) override {
    const Result<Bus> bus = connect(timeout);
    if (!bus) return fail(bus.error());
    const Result<std::string> loaded = load(bus->get(), unit);
    if (!loaded) return fail(loaded.error());
    const char* const path = loaded->c_str();
    UnitStatus status;
    const auto active = text(bus->get(), path, "ActiveState", unit);
    if (!active) return fail(active.error());
    const auto sub = text(bus->get(), path, "SubState", unit);
    if (!sub) return fail(sub.error());
    status.active_state = *active;
    status.sub_state = *sub;
    std::uint64_t since_us = 0;
    CallError since_error;
    const int since = sd_bus_get_property_trivial(bus->get(), kService, path, kUnit, "ActiveEnterTimestamp",
                                                  &since_error.value, 't', &since_us);
    if (since < 0) return fail(error_of(unit, since, since_error.value));
    status.active_since = WallTime(std::chrono::microseconds(since_us));
    const Result<bool> job = has_job(bus->get(), path, unit);
    if (!job) return fail(job.error());
    status.has_job = *job;
    if (unit.ends_with(".service")) {
      std::uint32_t pid = 0;
      CallError pid_error;
      const int got =
          sd_bus_get_property_trivial(bus->get(), kService, path, kServiceUnit, "MainPID", &pid_error.value, 'u', &pid);
      if (got < 0) return fail(error_of(unit, got, pid_error.value));
      status.main_pid = pid;
    }
    return status;
  }

  Result<void> ask(UnitVerb verb, const std::string& unit, Duration timeout) override {
    const Result<Bus> bus = connect(timeout);
    if (!bus) return fail(bus.error());
    const char* const method = verb == UnitVerb::kStart  ? "StartUnit"
                               : verb == UnitVerb::kStop ? "StopUnit"
                                                         : "RestartUnit";
    CallError error;
    sd_bus_message* reply = nullptr;
    const int called = sd_bus_call_method(bus->get(), kService, kPath, kManager, method, &error.value, &reply, "ss",
                                          unit.c_str(), "replace");
    const Message answer(reply);
    if (called < 0) return fail(error_of(unit, called, error.value));
    return {};
  }

  Result<void> kill(const std::string& unit, int signal, Duration timeout) override {
    const Result<Bus> bus = connect(timeout);
    if (!bus) return fail(bus.error());
    CallError error;
    sd_bus_message* reply = nullptr;
    const int called = sd_bus_call_method(bus->get(), kService, kPath, kManager, "KillUnit", &error.value, &reply,
                                          "ssi", unit.c_str(), "main", signal);
    const Message answer(reply);
    if (called < 0) return fail(error_of(unit, called, error.value));
    return {};
  }

  Result<std::vector<std::string>> stops_with(const std::string& unit, Duration timeout) override {
    const Result<Bus> bus = connect(timeout);
    if (!bus) return fail(bus.error());
    const Result<std::string> path = load(bus->get(), unit);
    if (!path) return fail(path.error());
    std::vector<std::string> all;
    for (const char* const property : kStopsWith) {
      CallError error;
      char** names = nullptr;
      const int done =
          sd_bus_get_property_strv(bus->get(), kService, path->c_str(), kUnit, property, &error.value, &names);
      if (done < 0) {
        if (sd_bus_error_has_name(&error.value, SD_BUS_ERROR_UNKNOWN_PROPERTY) > 0) continue;
        return fail(error_of(unit, done, error.value));
      }
      for (char** name = names; name != nullptr && *name != nullptr; ++name) {
        if (std::ranges::find(all, *name) == all.end()) all.emplace_back(*name);
        std::free(*name);
      }
      std::free(names);
    }
    return all;
  }

 private:
  // The unit's object.
  static Result<std::string> load(sd_bus* bus, const std::string& unit) {
    CallError error;
    sd_bus_message* loaded = nullptr;
    const int called =
        sd_bus_call_method(bus, kService, kPath, kManager, "LoadUnit", &error.value, &loaded, "s", unit.c_str());
    const Message answer(loaded);
    const char* path = nullptr;
    if (called < 0) return fail(error_of(unit, called, error.value));
    if (const int read = sd_bus_message_read(loaded, "o", &path); read < 0) return fail(error_of(unit, read, {}));
    // systemd gives an object for any well-formed name; whether there is such a unit is in its load state.
    const auto load_state = text(bus, path, "LoadState", unit);
    if (!load_state) return fail(load_state.error());
    if (*load_state == "not-found") return core::fail(Errc::kNotFound, "{}: there is no such unit", unit);
    return std::string(path);
  }

  Result<Bus> connect(Duration timeout) const {
    sd_bus* opened = nullptr;
    int done = 0;
    if (address_.empty()) {
      done = sd_bus_open_system(&opened);
    } else {
      done = sd_bus_new(&opened);
      if (done >= 0) done = sd_bus_set_address(opened, address_.c_str());
      if (done >= 0) done = sd_bus_set_bus_client(opened, 1);
      if (done >= 0) done = sd_bus_start(opened);
    }
    Bus bus(opened);
    if (done < 0) return core::fail(Errc::kUnavailable, "systemd cannot be reached: {}", std::strerror(-done));
    const auto limit = std::chrono::duration_cast<std::chrono::microseconds>(timeout).count();
    sd_bus_set_method_call_timeout(bus.get(), static_cast<std::uint64_t>(limit));
    return bus;
  }

  static Result<std::string> text(sd_bus* bus, const char* path, const char* property, const std::string& unit) {
    CallError error;
    char* value = nullptr;
    const int done = sd_bus_get_property_string(bus, kService, path, kUnit, property, &error.value, &value);
    if (done < 0) return fail(error_of(unit, done, error.value));
    std::string copy(value);
    std::free(value);
    return copy;
  }

  static Result<bool> has_job(sd_bus* bus, const char* path, const std::string& unit) {
    CallError error;
    sd_bus_message* reply = nullptr;
    const int done = sd_bus_get_property(bus, kService, path, kUnit, "Job", &error.value, &reply, "(uo)");
    const Message answer(reply);
    if (done < 0) return fail(error_of(unit, done, error.value));
    std::uint32_t id = 0;
    const char* job = nullptr;
    if (const int read = sd_bus_message_read(reply, "(uo)", &id, &job); read < 0) return fail(error_of(unit, read, {}));
    return id != 0;
  }

  const std::string address_;
};

}  // namespace

std::unique_ptr<ServiceControl> make_systemd_control(std::string address) {
  return std::make_unique<SystemdControl>(std::move(address));
}

}  // namespace core::process
