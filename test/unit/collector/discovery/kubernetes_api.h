// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <httplib.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace collector::discovery {

// A Kubernetes API server as far as listing and watching go, and strict: whatever a client must not send is answered as
// the real one answers it and noted as a violation. It keeps resource versions, pages of a consistent snapshot, and a
// history of events that can be compacted.
//
// Thread safety: any thread.
class KubernetesApi {
 public:
  using Json = nlohmann::json;

  void install(httplib::Server& server) {
    server.new_task_queue = [] { return new httplib::ThreadPool(24); };
    server.Get(".*",
               [this](const httplib::Request& request, httplib::Response& response) { answer(request, response); });
  }
  // Watches end, so that a server can stop.
  void shut_down() {
    const std::lock_guard lock(mutex_);
    shut_down_ = true;
    changed_.notify_all();
  }

  void set_token(std::string token) {
    const std::lock_guard lock(mutex_);
    token_ = std::move(token);
  }
  void set_page_max(std::size_t objects) {
    const std::lock_guard lock(mutex_);
    page_max_ = objects;
  }
  // Adds or changes an object of /api/v1/pods, ...; its metadata must have a name.
  void put(const std::string& resource, Json object) {
    const std::lock_guard lock(mutex_);
    const std::string key = key_of(object);
    const bool is_new = !objects_[resource].contains(key);
    object["metadata"]["resourceVersion"] = std::to_string(++version_);
    objects_[resource][key] = object;
    history_.push_back({version_, resource, is_new ? "ADDED" : "MODIFIED", object});
    changed_.notify_all();
  }
  // "NS/NAME", or "NAME".
  void remove(const std::string& resource, const std::string& key) {
    const std::lock_guard lock(mutex_);
    Json object = objects_[resource].at(key);
    objects_[resource].erase(key);
    object["metadata"]["resourceVersion"] = std::to_string(++version_);
    history_.push_back({version_, resource, "DELETED", object});
    changed_.notify_all();
  }
  // Other objects change: the version goes on.
  void pass_versions(int count) {
    const std::lock_guard lock(mutex_);
    version_ += count;
  }
  // Forgets all events: a watch from before is answered with 410.
  void compact() {
    const std::lock_guard lock(mutex_);
    oldest_ = version_;
    history_.clear();
  }
  // Every watch of now is told the version.
  void bookmark() {
    const std::lock_guard lock(mutex_);
    ++bookmarks_;
    changed_.notify_all();
  }
  // Watches of now are cut off, or end in order, or say something that is no event.
  enum class End { kCut, kOrderly, kGarbage };
  void end_watches(End how) {
    const std::lock_guard lock(mutex_);
    ++ends_;
    how_ = how;
    changed_.notify_all();
  }
  // Requests are answered with this status; 0: as usual.
  void fail_with(int status) {
    const std::lock_guard lock(mutex_);
    fail_with_ = status;
  }

  // "LIST path query", "WATCH path from VERSION".
  std::vector<std::string> log() {
    const std::lock_guard lock(mutex_);
    return log_;
  }
  std::size_t count(const std::string& prefix) {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(
        std::count_if(log_.begin(), log_.end(), [&](const auto& line) { return line.starts_with(prefix); }));
  }
  std::vector<std::string> violations() {
    const std::lock_guard lock(mutex_);
    return violations_;
  }
  int watching() {
    const std::lock_guard lock(mutex_);
    return watching_;
  }
  int version() {
    const std::lock_guard lock(mutex_);
    return version_;
  }

 private:
  struct Happened {
    int version;
    std::string resource;
    std::string type;
    Json object;
  };
  struct Query {
    std::string resource;    // as without a namespace
    std::string name_space;  // empty: all
    std::string label;
    std::string field;
  };

  static std::string key_of(const Json& object) {
    const auto& meta = object.at("metadata");
    return meta.contains("namespace")
               ? meta.at("namespace").get<std::string>() + "/" + meta.at("name").get<std::string>()
               : meta.at("name").get<std::string>();
  }

  static void refuse(httplib::Response& response, int code, const std::string& reason) {
    response.status = code;
    response.set_content(Json{{"kind", "Status"}, {"status", "Failure"}, {"message", reason}, {"code", code}}.dump(),
                         "application/json");
  }
  void violate(httplib::Response& response, int code, const std::string& what) {
    violations_.push_back(what);
    refuse(response, code, what);
  }

  // /api/v1[/namespaces/NS]/pods
  static bool split_path(const std::string& path, Query& query) {
    static const std::set<std::string> kKnown = {"/api/v1/nodes", "/api/v1/pods", "/api/v1/services",
                                                 "/apis/discovery.k8s.io/v1/endpointslices"};
    query.resource = path;
    const std::size_t at = path.find("/namespaces/");
    if (at != std::string::npos) {
      const std::size_t end = path.find('/', at + 12);
      if (end == std::string::npos) return false;
      query.name_space = path.substr(at + 12, end - at - 12);
      query.resource = path.substr(0, at) + path.substr(end);
    }
    return kKnown.contains(query.resource) && (query.resource != "/api/v1/nodes" || query.name_space.empty());
  }

  static bool selects(const Query& query, const Json& object) {
    const auto& meta = object.at("metadata");
    if (!query.name_space.empty() && meta.value("namespace", "") != query.name_space) return false;
    if (!query.label.empty()) {
      const std::size_t equals = query.label.find('=');
      const std::string key = query.label.substr(0, equals);
      if (!meta.contains("labels") || meta["labels"].value(key, "") != query.label.substr(equals + 1)) return false;
    }
    if (query.field.starts_with("spec.nodeName=")) {
      return object.contains("spec") && object["spec"].value("nodeName", "") == query.field.substr(14);
    }
    if (query.field.starts_with("metadata.name=")) return meta.at("name") == query.field.substr(14);
    return true;
  }

  void answer(const httplib::Request& request, httplib::Response& response) {
    std::unique_lock lock(mutex_);
    Query query;
    if (request.get_header_value("Authorization") != "Bearer " + token_) {
      log_.push_back("UNAUTHORIZED " + request.path);
      return refuse(response, 401, "Unauthorized");
    }
    if (fail_with_ != 0) {
      log_.push_back("FAILED " + request.path);
      return refuse(response, fail_with_, "the server is not well");
    }
    if (!split_path(request.path, query)) return violate(response, 404, "no such path: " + request.path);
    if (request.get_header_value("Accept") != "application/json") return violate(response, 406, "not acceptable");
    for (const auto& [name, value] : request.params) {
      const bool watches = request.has_param("watch");
      static const std::set<std::string> kOfLists = {"limit", "continue", "labelSelector", "fieldSelector"};
      static const std::set<std::string> kOfWatches = {"watch",          "allowWatchBookmarks", "resourceVersion",
                                                       "timeoutSeconds", "labelSelector",       "fieldSelector"};
      if (!(watches ? kOfWatches : kOfLists).contains(name)) return violate(response, 400, "parameter " + name);
      if (request.get_param_value_count(name.c_str()) != 1) return violate(response, 400, "twice: " + name);
    }
    query.label = request.get_param_value("labelSelector");
    query.field = request.get_param_value("fieldSelector");
    if (!query.field.empty() && !query.field.starts_with("spec.nodeName=") &&
        !query.field.starts_with("metadata.name=")) {
      return refuse(response, 400, "field label not supported: " + query.field);
    }
    if (request.has_param("watch")) return watch(request, response, query);
    list(request, response, query);
  }

  void list(const httplib::Request& request, httplib::Response& response, const Query& query) {
    const std::string limit = request.get_param_value("limit");
    if (limit.empty() || limit.find_first_not_of("0123456789") != std::string::npos) {
      return violate(response, 400, "limit " + limit);
    }
    int at_version = version_;
    std::size_t from = 0;
    const std::string token = request.get_param_value("continue");
    log_.push_back(fmt::format("LIST {}{}", request.path, token.empty() ? "" : " continued"));
    if (!token.empty()) {
      at_version = std::stoi(token);
      from = std::stoul(token.substr(token.find('-') + 1));
      if (at_version < oldest_) return refuse(response, 410, "The provided continue parameter is too old");
    } else {
      std::vector<Json> all;
      for (const auto& [key, object] : objects_[query.resource]) {
        if (selects(query, object)) all.push_back(object);
      }
      snapshots_[{at_version, request.path}] = std::move(all);
    }
    const auto& all = snapshots_.at({at_version, request.path});
    const std::size_t to = std::min(all.size(), from + std::min<std::size_t>(std::stoul(limit), page_max_));
    Json items = Json::array();
    for (std::size_t i = from; i < to; ++i) items.push_back(all[i]);
    Json meta{{"resourceVersion", std::to_string(at_version)}};
    if (to < all.size()) meta["continue"] = fmt::format("{}-{}", at_version, to);
    response.set_content(Json{{"kind", "List"}, {"metadata", meta}, {"items", items}}.dump(), "application/json");
  }

  void watch(const httplib::Request& request, httplib::Response& response, const Query& query) {
    const std::string from = request.get_param_value("resourceVersion");
    if (from.empty() || from.find_first_not_of("0123456789") != std::string::npos || std::stoi(from) > version_) {
      return violate(response, 400, "resourceVersion " + from);
    }
    if (request.get_param_value("watch") != "true" || request.get_param_value("allowWatchBookmarks") != "true") {
      return violate(response, 400, "a watch without bookmarks");
    }
    const std::string seconds = request.get_param_value("timeoutSeconds");
    if (seconds.empty() || std::stoi(seconds) < 60) return violate(response, 400, "timeoutSeconds " + seconds);
    log_.push_back(fmt::format("WATCH {} from {}", request.path, from));
    struct State {
      int at;
      int bookmarks;
      int ends;
    };
    auto state = std::make_shared<State>(State{std::stoi(from), bookmarks_, ends_});
    ++watching_;
    response.set_chunked_content_provider(
        "application/json",
        [this, query, state](std::size_t, httplib::DataSink& sink) {
          return serve_watch(query, state->at, state->bookmarks, state->ends, sink);
        },
        [this](bool) {
          const std::lock_guard lock(mutex_);
          --watching_;
        });
  }

  // One turn: what has happened since, or the end. False cuts the connection.
  bool serve_watch(const Query& query, int& at, int& bookmarks, int ends, httplib::DataSink& sink) {
    std::string text;
    bool done = false;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] {
        return shut_down_ || ends_ != ends || bookmarks_ != bookmarks || at < oldest_ ||
               (!history_.empty() && history_.back().version > at);
      });
      // A connection that is cut says nothing of what happens after.
      if (ends_ != ends && how_ == End::kCut) return false;
      if (at < oldest_) {
        text += event("ERROR", {{"kind", "Status"}, {"code", 410}, {"message", "too old resource version"}});
        done = true;
      }
      for (const Happened& each : history_) {
        if (each.version <= at) continue;
        at = each.version;
        if (each.resource == query.resource && selects(query, each.object)) text += event(each.type, each.object);
      }
      if (bookmarks_ != bookmarks) {
        bookmarks = bookmarks_;
        at = version_;
        text += event("BOOKMARK", {{"kind", "X"}, {"metadata", {{"resourceVersion", std::to_string(version_)}}}});
      }
      if (ends_ != ends && how_ == End::kGarbage) text += "{\"type\": \"MODIFIED\", \"object\": 5}\n";
      done = done || shut_down_ || ends_ != ends;
    }
    if (!text.empty() && !sink.write(text.data(), text.size())) return false;
    if (done) sink.done();
    return true;
  }

  static std::string event(const std::string& type, const Json& object) {
    return Json{{"type", type}, {"object", object}}.dump() + "\n";
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::string token_ = "token-1";
  std::size_t page_max_ = 500;
  int version_ = 100;
  int oldest_ = 0;
  int bookmarks_ = 0;
  int ends_ = 0;
  End how_ = End::kCut;
  int fail_with_ = 0;
  int watching_ = 0;
  bool shut_down_ = false;
  std::map<std::string, std::map<std::string, Json>> objects_;
  std::map<std::pair<int, std::string>, std::vector<Json>> snapshots_;
  std::deque<Happened> history_;
  std::vector<std::string> log_;
  std::vector<std::string> violations_;
};

}  // namespace collector::discovery
