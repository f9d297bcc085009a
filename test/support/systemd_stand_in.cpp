// SPDX-License-Identifier: Apache-2.0
#include "test/support/systemd_stand_in.h"

#include <signal.h>
#include <systemd/sd-bus.h>

#include <cstdlib>
#include <string_view>

#include "core/check.h"

namespace test_support {

struct SystemdStandIn::Served {
  SystemdStandIn* manager = nullptr;
  std::string name;
  Unit unit;
  std::unique_ptr<BackgroundProcess> process;  // guarded by the manager's mutex

  bool active() { return process != nullptr && process->running(); }
  void start() {
    if (!active()) process = std::make_unique<BackgroundProcess>(unit.argv, manager->folder_ / (name + ".log"));
  }
  // As systemd: what requires it goes first.
  void stop() {
    for (const std::string& each : unit.required_by) {
      const auto found = manager->units_.find(each);
      if (found != manager->units_.end()) found->second->stop();
    }
    process.reset();
  }
};

struct SystemdStandIn::Methods {
  static constexpr const char* kJob = "/org/freedesktop/systemd1/job/1";

  static SystemdStandIn& self(void* data) { return *static_cast<SystemdStandIn*>(data); }
  static Served& unit(void* data) { return *static_cast<Served*>(data); }

  static std::string path_of(const std::string& name) {
    char* path = nullptr;
    CHECK(sd_bus_path_encode("/org/freedesktop/systemd1/unit", name.c_str(), &path) >= 0, "a path");
    std::string copy(path);
    std::free(path);
    return copy;
  }

  static int refuse(sd_bus_error* error, const char* name, const std::string& text) {
    return sd_bus_error_set(error, name, text.c_str());
  }
  static Served* find(SystemdStandIn& manager, const std::string& name) {
    const auto found = manager.units_.find(name);
    return found == manager.units_.end() ? nullptr : found->second.get();
  }

  static int on_load(sd_bus_message* message, void* data, sd_bus_error* error) {
    const char* name = nullptr;
    sd_bus_message_read(message, "s", &name);
    if (std::string_view(name).find('.') == std::string_view::npos) {
      return refuse(error, SD_BUS_ERROR_INVALID_ARGS, std::string("Unit name ") + name + " is not valid.");
    }
    const std::scoped_lock lock(self(data).mutex_);
    const bool known = find(self(data), name) != nullptr;
    return sd_bus_reply_method_return(message, "o", path_of(known ? name : "gone.service").c_str());
  }

  static int change(sd_bus_message* message, void* data, sd_bus_error* error, const char* method) {
    const char* name = nullptr;
    const char* mode = nullptr;
    sd_bus_message_read(message, "ss", &name, &mode);
    if (std::string_view(mode) != "replace") return refuse(error, SD_BUS_ERROR_INVALID_ARGS, "Job mode is unknown.");
    const std::scoped_lock lock(self(data).mutex_);
    Served* const unit = find(self(data), name);
    if (unit == nullptr) {
      return refuse(error, "org.freedesktop.systemd1.NoSuchUnit", std::string("Unit ") + name + " not found.");
    }
    self(data).calls_.push_back(std::string(method) + " " + name);
    if (std::string_view(method) != "StartUnit") unit->stop();
    if (std::string_view(method) != "StopUnit") unit->start();
    return sd_bus_reply_method_return(message, "o", kJob);
  }
  static int on_start(sd_bus_message* message, void* data, sd_bus_error* error) {
    return change(message, data, error, "StartUnit");
  }
  static int on_stop(sd_bus_message* message, void* data, sd_bus_error* error) {
    return change(message, data, error, "StopUnit");
  }
  static int on_restart(sd_bus_message* message, void* data, sd_bus_error* error) {
    return change(message, data, error, "RestartUnit");
  }

  static int on_kill(sd_bus_message* message, void* data, sd_bus_error* error) {
    const char* name = nullptr;
    const char* whom = nullptr;
    std::int32_t number = 0;
    sd_bus_message_read(message, "ssi", &name, &whom, &number);
    if (std::string_view(whom) != "main") return refuse(error, SD_BUS_ERROR_INVALID_ARGS, "Invalid who argument");
    const std::scoped_lock lock(self(data).mutex_);
    Served* const unit = find(self(data), name);
    if (unit == nullptr) {
      return refuse(error, "org.freedesktop.systemd1.NoSuchUnit", std::string("Unit ") + name + " not loaded.");
    }
    if (!unit->active()) return refuse(error, "org.freedesktop.systemd1.NoSuchProcess", "No main process to kill");
    self(data).calls_.push_back(std::string("KillUnit ") + name);
    unit->process->signal(number);
    return sd_bus_reply_method_return(message, "");
  }

  static int text(sd_bus_message* reply, const std::string& value) {
    return sd_bus_message_append(reply, "s", value.c_str());
  }
  static int load_state(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void* data,
                        sd_bus_error*) {
    return text(reply, unit(data).name.empty() ? "not-found" : "loaded");
  }
  static int active_state(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void* data,
                          sd_bus_error*) {
    const std::scoped_lock lock(unit(data).manager->mutex_);
    return text(reply, unit(data).active() ? "active" : "inactive");
  }
  static int sub_state(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void* data,
                       sd_bus_error*) {
    const std::scoped_lock lock(unit(data).manager->mutex_);
    return text(reply, unit(data).active() ? "running" : "dead");
  }
  static int job(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void*, sd_bus_error*) {
    return sd_bus_message_append(reply, "(uo)", 0U, "/");
  }
  static int since(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void*, sd_bus_error*) {
    return sd_bus_message_append(reply, "t", std::uint64_t{0});
  }
  static int main_pid(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void* data,
                      sd_bus_error*) {
    const std::scoped_lock lock(unit(data).manager->mutex_);
    Served& served = unit(data);
    return sd_bus_message_append(reply, "u", served.active() ? static_cast<unsigned>(served.process->pid()) : 0U);
  }
  static int required_by(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void* data,
                         sd_bus_error*) {
    std::vector<char*> names;
    for (std::string& each : unit(data).unit.required_by) names.push_back(each.data());
    names.push_back(nullptr);
    return sd_bus_message_append_strv(reply, names.data());
  }
  static int nobody(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void*, sd_bus_error*) {
    return sd_bus_message_append_strv(reply, nullptr);
  }
};

namespace {

using Methods = SystemdStandIn::Methods;

const sd_bus_vtable kManager[] = {SD_BUS_VTABLE_START(0),
                                  SD_BUS_METHOD("LoadUnit", "s", "o", Methods::on_load, 0),
                                  SD_BUS_METHOD("StartUnit", "ss", "o", Methods::on_start, 0),
                                  SD_BUS_METHOD("StopUnit", "ss", "o", Methods::on_stop, 0),
                                  SD_BUS_METHOD("RestartUnit", "ss", "o", Methods::on_restart, 0),
                                  SD_BUS_METHOD("KillUnit", "ssi", "", Methods::on_kill, 0),
                                  SD_BUS_VTABLE_END};
// Without PropagatesStopTo, as before systemd 249.
const sd_bus_vtable kUnit[] = {SD_BUS_VTABLE_START(0),
                               SD_BUS_PROPERTY("LoadState", "s", Methods::load_state, 0, 0),
                               SD_BUS_PROPERTY("ActiveState", "s", Methods::active_state, 0, 0),
                               SD_BUS_PROPERTY("SubState", "s", Methods::sub_state, 0, 0),
                               SD_BUS_PROPERTY("Job", "(uo)", Methods::job, 0, 0),
                               SD_BUS_PROPERTY("ActiveEnterTimestamp", "t", Methods::since, 0, 0),
                               SD_BUS_PROPERTY("RequiredBy", "as", Methods::required_by, 0, 0),
                               SD_BUS_PROPERTY("RequisiteOf", "as", Methods::nobody, 0, 0),
                               SD_BUS_PROPERTY("BoundBy", "as", Methods::nobody, 0, 0),
                               SD_BUS_PROPERTY("ConsistsOf", "as", Methods::nobody, 0, 0),
                               SD_BUS_VTABLE_END};
const sd_bus_vtable kService[] = {SD_BUS_VTABLE_START(0), SD_BUS_PROPERTY("MainPID", "u", Methods::main_pid, 0, 0),
                                  SD_BUS_VTABLE_END};

}  // namespace

SystemdStandIn::SystemdStandIn(const std::string& address, const std::map<std::string, Unit>& units,
                               std::filesystem::path folder)
    : folder_(std::move(folder)) {
  CHECK(sd_bus_new(&bus_) >= 0 && sd_bus_set_address(bus_, address.c_str()) >= 0, "a bus");
  CHECK(sd_bus_set_bus_client(bus_, 1) >= 0 && sd_bus_start(bus_) >= 0, "the bus must be there");
  sd_bus_add_object_vtable(bus_, nullptr, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", kManager,
                           this);
  std::map<std::string, Unit> all = units;
  all[""] = {};  // stands for every unit that there is not
  for (const auto& [name, unit] : all) {
    auto served = std::make_unique<Served>();
    served->manager = this;
    served->name = name;
    served->unit = unit;
    const std::string path = Methods::path_of(name.empty() ? "gone.service" : name);
    sd_bus_add_object_vtable(bus_, nullptr, path.c_str(), "org.freedesktop.systemd1.Unit", kUnit, served.get());
    sd_bus_add_object_vtable(bus_, nullptr, path.c_str(), "org.freedesktop.systemd1.Service", kService, served.get());
    if (!unit.argv.empty()) served->start();
    units_[name] = std::move(served);
  }
  CHECK(sd_bus_request_name(bus_, "org.freedesktop.systemd1", 0) >= 0, "the name must be free");
  thread_ = std::jthread([this](std::stop_token stop) {
    while (!stop.stop_requested()) {
      while (sd_bus_process(bus_, nullptr) > 0) {
      }
      sd_bus_wait(bus_, 10'000);
    }
  });
}

SystemdStandIn::~SystemdStandIn() {
  thread_ = {};
  sd_bus_close_unref(bus_);
}

bool SystemdStandIn::active(const std::string& unit) {
  const std::scoped_lock lock(mutex_);
  return units_.at(unit)->active();
}

std::vector<std::string> SystemdStandIn::calls() {
  const std::scoped_lock lock(mutex_);
  return calls_;
}

}  // namespace test_support
