// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "test/unit/core/net/client_fixture.h"

namespace actions::remedy {

// The API server of a cluster, as strict as the real one: a bearer token, the content types of patches, uids and
// resource versions as preconditions, disruption budgets, and pods that take their time to end.
//
// Thread safety: any thread; members are guarded by `mutex`.
class FakeKubernetes {
 public:
  using json = nlohmann::json;

  struct Pod {
    json object;
    int looks = -1;    // until it is gone; -1: nobody has asked for that
    int refusals = 0;  // so often its disruption budget says no
    bool misbudgeted = false;
    std::string comes_back;  // a controller makes another one of its name, with this uid
    int unready = 0;         // so many looks until it is ready again then
  };

  FakeKubernetes() {
    const auto handler = [this](const httplib::Request& request, httplib::Response& response) {
      answer(request, response);
    };
    server_->Get("/.*", handler);
    server_->Post("/.*", handler);
    server_->Put("/.*", handler);
    server_->Patch("/.*", handler);
    server_->Delete("/.*", handler);
    server_.start();
  }

  std::string url() const { return server_.url(""); }

  void add_node(const std::string& name, const json& labels = json::object()) {
    nodes[name] = {{"kind", "Node"},
                   {"metadata",
                    {{"name", name},
                     {"uid", "uid-" + name},
                     {"resourceVersion", "1"},
                     {"creationTimestamp", "2020-01-01T00:00:00Z"},
                     {"labels", labels}}},
                   {"spec", json::object()},
                   {"status", {{"conditions", {{{"type", "Ready"}, {"status", "True"}}}}}}};
  }
  Pod& add_pod(const std::string& name, const std::string& node, const std::string& owner = "StatefulSet") {
    json object = {{"kind", "Pod"},
                   {"metadata",
                    {{"name", name},
                     {"namespace", "eth"},
                     {"uid", "uid-" + name},
                     {"creationTimestamp", "2020-01-01T00:00:00Z"},
                     {"labels", json::object()}}},
                   {"spec", {{"nodeName", node}, {"containers", {{{"name", "geth"}, {"image", "geth:1"}}}}}},
                   {"status", {{"phase", "Running"}, {"conditions", {{{"type", "Ready"}, {"status", "True"}}}}}}};
    if (!owner.empty()) {
      object["metadata"]["ownerReferences"] = {{{"kind", owner}, {"name", "x"}, {"controller", true}}};
    }
    return pods[name] = {object, -1, 0, false, "", 0};
  }
  void add_workload(const std::string& kind, const std::string& name, int replicas) {
    workloads[kind + "s/" + name] = {
        {"kind", kind},
        {"metadata", {{"name", name}, {"namespace", "eth"}, {"uid", "uid-" + name}, {"generation", 1}}},
        {"spec",
         {{"replicas", replicas},
          {"template",
           {{"metadata", {{"labels", {{"app", name}}}}},
            {"spec", {{"containers", {{{"name", "geth"}, {"image", "geth:1"}}}}}}}}}},
        {"status",
         {{"observedGeneration", 1},
          {"replicas", replicas},
          {"updatedReplicas", replicas},
          {"readyReplicas", replicas},
          {"availableReplicas", replicas}}}};
  }
  int count(const std::string& what) {
    const std::lock_guard lock(mutex);
    return static_cast<int>(std::ranges::count(done, what));
  }

  std::mutex mutex;
  std::string token = "token-1";
  std::map<std::string, json> nodes;
  std::map<std::string, Pod> pods;        // by name, all in the namespace eth
  std::map<std::string, json> workloads;  // by deployments/NAME
  std::set<std::string> lies;             // METHOD of patches and deletions that do nothing
  int conflicts = 0;                      // so often somebody else changes a node in between
  int unavailable = 0;                    // so many answers are 503
  int looks_to_end = 3;                   // of a pod
  std::vector<std::string> done;          // "evict geth-0", "delete geth-0", "patch node1"
  std::vector<std::string> violations;

 private:
  static void say(httplib::Response& response, int status, const std::string& message) {
    response.status = status;
    response.set_content(
        json({{"kind", "Status"}, {"status", "Failure"}, {"message", message}, {"code", status}}).dump(),
        "application/json");
  }
  void violate(httplib::Response& response, int status, const std::string& what) {
    violations.push_back(what);
    say(response, status, what);
  }
  static void give(httplib::Response& response, const json& object, int status = 200) {
    response.status = status;
    response.set_content(object.dump(), "application/json");
  }

  void answer(const httplib::Request& request, httplib::Response& response) {
    const std::lock_guard lock(mutex);
    if (request.get_header_value("Authorization") != "Bearer " + token) return say(response, 401, "Unauthorized");
    if (unavailable > 0) {
      --unavailable;
      return say(response, 503, "etcdserver: leader changed");
    }
    json body;
    if (!request.body.empty()) body = json::parse(request.body, nullptr, false);
    if (body.is_discarded()) return violate(response, 400, "body is no JSON");
    static const std::string kNodes = "/api/v1/nodes/";
    static const std::string kPods = "/api/v1/namespaces/eth/pods/";
    static const std::string kApps = "/apis/apps/v1/namespaces/eth/";
    const std::string& path = request.path;
    if (path == "/api/v1/pods") return list_pods(request, response);
    if (path + "/" == kPods && request.method == "GET") return select_pods(request, response);
    if (path.starts_with(kNodes)) return node(path.substr(kNodes.size()), request, body, response);
    if (path.starts_with(kPods)) return pod(path.substr(kPods.size()), request, body, response);
    if (path.starts_with(kApps)) return workload(path.substr(kApps.size()), request, body, response);
    violate(response, 404, "the server could not find the requested resource: " + path);
  }

  void list_pods(const httplib::Request& request, httplib::Response& response) {
    const std::string selector = request.get_param_value("fieldSelector");
    if (!selector.starts_with("spec.nodeName=")) return violate(response, 400, "field selector " + selector);
    json items = json::array();
    for (const std::string& name : names()) {
      if (!look_at(name)) continue;
      const json& object = pods[name].object;
      if (object["spec"]["nodeName"] == selector.substr(14)) items.push_back(object);
    }
    // Two a page.
    const std::string from = request.get_param_value("continue");
    const std::size_t begin = from.empty() ? 0 : std::stoul(from);
    json page = json::array();
    for (std::size_t i = begin; i < items.size() && i < begin + 2; ++i) page.push_back(items[i]);
    json meta = json::object();
    if (begin + 2 < items.size()) meta["continue"] = std::to_string(begin + 2);
    give(response, {{"kind", "PodList"}, {"metadata", meta}, {"items", page}});
  }

  // NAME=VALUE[,...] only.
  void select_pods(const httplib::Request& request, httplib::Response& response) {
    std::map<std::string, std::string> wanted;
    std::istringstream selector(request.get_param_value("labelSelector"));
    for (std::string each; std::getline(selector, each, ',');) {
      const std::size_t equals = each.find('=');
      if (equals == std::string::npos) return say(response, 400, "unable to parse requirement: " + each);
      wanted[each.substr(0, equals)] = each.substr(equals + 1);
    }
    json items = json::array();
    for (const std::string& name : names()) {
      if (!look_at(name)) continue;
      const json& labels = pods[name].object["metadata"]["labels"];
      const bool has_all =
          std::ranges::all_of(wanted, [&](const auto& label) { return labels.value(label.first, "") == label.second; });
      if (has_all) items.push_back(pods[name].object);
    }
    json meta = json::object();
    const std::size_t limit = std::stoul(request.get_param_value("limit"));
    if (items.size() > limit) {
      items.erase(items.begin() + static_cast<std::ptrdiff_t>(limit), items.end());
      meta["continue"] = "more";
    }
    give(response, {{"kind", "PodList"}, {"metadata", meta}, {"items", items}});
  }

  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& [name, each] : pods) all.push_back(name);
    return all;
  }

  // Time passes for a pod that ends. False: it is gone.
  bool look_at(const std::string& name) {
    const auto found = pods.find(name);
    if (found == pods.end()) return false;
    Pod& pod = found->second;
    const bool held = pod.object["metadata"].contains("finalizers") && !pod.object["metadata"]["finalizers"].empty();
    const bool is_new = pod.looks < 0 && pod.object["status"]["conditions"][0]["status"] == "False";
    if (is_new && --pod.unready == 0) set_ready(pod, "True");
    if (pod.looks < 0 || held || --pod.looks > 0) return true;
    if (pod.comes_back.empty()) {
      pods.erase(found);
      return false;
    }
    pod.object["metadata"]["uid"] = std::exchange(pod.comes_back, "");
    pod.object["metadata"].erase("deletionTimestamp");
    pod.object["metadata"]["creationTimestamp"] = "2099-01-01T00:00:00Z";
    pod.object["spec"]["nodeName"] = "elsewhere";
    pod.looks = -1;
    if (pod.unready > 0) set_ready(pod, "False");
    return true;
  }
  static void set_ready(Pod& pod, const char* status) { pod.object["status"]["conditions"][0]["status"] = status; }

  void begin_to_end(Pod& pod) {
    if (pod.looks >= 0) return;
    pod.looks = looks_to_end;
    pod.object["metadata"]["deletionTimestamp"] = "2024-01-01T00:00:00Z";
  }

  bool is_that_one(const json& preconditions, const json& object, httplib::Response& response) {
    if (!preconditions.is_object() || !preconditions.contains("uid")) {
      violate(response, 400, "without a uid any object of that name would go");
      return false;
    }
    if (preconditions["uid"] == object["metadata"]["uid"]) return true;
    say(response, 409, "the UID in the precondition does not match the UID in record");
    return false;
  }

  void pod(const std::string& rest, const httplib::Request& request, const json& body, httplib::Response& response) {
    const std::size_t slash = rest.find('/');
    const std::string name = rest.substr(0, slash);
    if (!look_at(name)) return say(response, 404, "pods \"" + name + "\" not found");
    Pod& pod = pods[name];
    if (slash != std::string::npos) {
      if (rest.substr(slash) != "/eviction" || request.method != "POST") return violate(response, 404, rest);
      return evict(name, pod, body, response);
    }
    if (request.method == "GET") return give(response, pod.object);
    if (request.method != "DELETE") return violate(response, 405, request.method);
    if (body.value("kind", "") != "DeleteOptions") return violate(response, 400, "no DeleteOptions");
    if (body.value("gracePeriodSeconds", 30) < 1) return violate(response, 400, "a pod is deleted without grace");
    if (!is_that_one(body.value("preconditions", json()), pod.object, response)) return;
    done.push_back("delete " + name);
    if (!lies.contains("DELETE")) begin_to_end(pod);
    give(response, pod.object);
  }

  void evict(const std::string& name, Pod& pod, const json& body, httplib::Response& response) {
    if (body.value("apiVersion", "") != "policy/v1" || body.value("kind", "") != "Eviction" ||
        body["metadata"].value("name", "") != name || body["metadata"].value("namespace", "") != "eth") {
      return violate(response, 400, "no Eviction of policy/v1");
    }
    if (!is_that_one(body["deleteOptions"].value("preconditions", json()), pod.object, response)) return;
    if (pod.misbudgeted) {
      return say(response, 500,
                 "This pod has more than one PodDisruptionBudget, which the eviction subresource does "
                 "not support.");
    }
    if (pod.refusals > 0) {
      --pod.refusals;
      return say(response, 429, "Cannot evict pod as it would violate the pod's disruption budget.");
    }
    done.push_back("evict " + name);
    if (!lies.contains("POST")) begin_to_end(pod);
    give(response, {{"kind", "Status"}, {"status", "Success"}}, 201);
  }

  static void bump(json& object) {
    const std::string version = object["metadata"].value("resourceVersion", "1");
    object["metadata"]["resourceVersion"] = std::to_string(std::stoi(version) + 1);
  }

  void node(const std::string& name, const httplib::Request& request, const json& body, httplib::Response& response) {
    if (!nodes.contains(name)) return say(response, 404, "nodes \"" + name + "\" not found");
    json& object = nodes[name];
    if (request.method == "GET") return give(response, object);
    if (request.method == "DELETE") {
      if (!is_that_one(body.value("preconditions", json()), object, response)) return;
      done.push_back("delete " + name);
      const json before = object;
      if (!lies.contains("DELETE")) nodes.erase(name);
      return give(response, before);
    }
    if (request.method != "PATCH") return violate(response, 405, request.method);
    const std::string type = request.get_header_value("Content-Type");
    if (body["spec"].contains("taints")) {
      // A list that is replaced: without the version it was read at somebody's taint is lost.
      if (type != "application/merge-patch+json") return violate(response, 415, type);
      if (!body.contains("metadata") || !body["metadata"].contains("resourceVersion")) {
        return violate(response, 400, "taints without a resource version");
      }
      if (conflicts > 0) {
        --conflicts;
        object["spec"]["taints"].push_back({{"key", "others-" + std::to_string(conflicts)}, {"effect", "NoSchedule"}});
        bump(object);
      }
      if (body["metadata"]["resourceVersion"] != object["metadata"]["resourceVersion"]) {
        return say(response, 409, "the object has been modified");
      }
    } else if (type != "application/strategic-merge-patch+json") {
      return violate(response, 415, type);
    }
    done.push_back("patch " + name);
    if (!lies.contains("PATCH")) {
      object["spec"].merge_patch(body["spec"]);
      bump(object);
    }
    give(response, object);
  }

  void workload(std::string rest, const httplib::Request& request, const json& body, httplib::Response& response) {
    const bool scale = rest.ends_with("/scale");
    if (scale) rest.resize(rest.size() - 6);
    if (!workloads.contains(rest)) return say(response, 404, rest + " not found");
    json& object = workloads[rest];
    json& status = object["status"];
    if (request.method == "GET") {
      // A look later the controller has seen it; another one later all pods are there.
      const int replicas = object["spec"]["replicas"];
      if (status["observedGeneration"] != object["metadata"]["generation"]) {
        status["observedGeneration"] = object["metadata"]["generation"];
        status["updatedReplicas"] = 0;
        status["availableReplicas"] = std::max(0, status.value("availableReplicas", 0) - 1);
      } else if (status.value("updatedReplicas", 0) < replicas) {
        status["updatedReplicas"] = status.value("updatedReplicas", 0) + 1;
      } else {
        for (const char* const each : {"replicas", "updatedReplicas", "readyReplicas", "availableReplicas"}) {
          status[each] = replicas;
        }
      }
      return give(response, object);
    }
    const std::string type = request.get_header_value("Content-Type");
    const char* const wanted = scale ? "application/merge-patch+json" : "application/strategic-merge-patch+json";
    if (request.method != "PATCH" || type != wanted) return violate(response, 415, request.method + " " + type);
    done.push_back("patch " + rest);
    if (!lies.contains("PATCH")) {
      const json before = object["spec"];
      object["spec"].merge_patch(body["spec"]);
      if (object["spec"] != before) object["metadata"]["generation"] = object["metadata"]["generation"].get<int>() + 1;
    }
    give(response, object);
  }

  core::net::LocalServer<httplib::Server> server_;
};

}  // namespace actions::remedy
