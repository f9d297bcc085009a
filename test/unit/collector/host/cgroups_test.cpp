// SPDX-License-Identifier: Apache-2.0
#include "collector/host/cgroups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "test/unit/collector/host/host_tree.h"

namespace collector::host {
namespace {

const std::string kId(64, 'a');
const std::string kOtherId(64, 'b');

TEST(CgroupNames, EveryRuntimesPathsAreUnderstood) {
  const std::string uid = "01234567-89ab-cdef-0123-456789abcdef", flat = "01234567_89ab_cdef_0123_456789abcdef";
  const std::pair<std::string, CgroupIdentity> cases[] = {
      {"/", {}},
      {"/system.slice/geth.service", {}},
      {"/kubepods.slice", {}},
      {"/kubepods.slice/kubepods-burstable.slice", {}},
      {"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + flat + ".slice", {uid, ""}},
      {"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + flat + ".slice/cri-containerd-" + kId +
           ".scope",
       {uid, kId}},
      {"/kubepods.slice/kubepods-pod" + flat + ".slice/crio-" + kId + ".scope", {uid, kId}},
      {"/kubepods.slice/kubepods-pod" + flat + ".slice/crio-conmon-" + kId + ".scope", {uid, ""}},
      {"/kubepods/besteffort/pod" + uid + "/" + kId, {uid, kId}},
      {"/kubepods/pod" + std::string(32, '9'), {std::string(32, '9'), ""}},  // a static pod
      {"/kubelet.slice/kubelet-kubepods.slice/kubepods-pod" + flat + ".slice/" + kId, {uid, kId}},
      {"/system.slice/docker-" + kId + ".scope", {"", kId}},
      {"/docker/" + kId, {"", kId}},
      {"/machine.slice/libpod-" + kId + ".scope", {"", kId}},
      {"/machine.slice/libpod-" + kId + ".scope/container", {}},  // within a container
      {"/docker/" + kId.substr(1), {}},
      {"/podcast.service", {}},
      {"/kubepods/pod../" + kId, {"", kId}},
  };
  for (const auto& [path, identity] : cases) {
    const auto got = identify_cgroup(path);
    EXPECT_EQ(got.pod_uid, identity.pod_uid) << path;
    EXPECT_EQ(got.container_id, identity.container_id) << path;
  }
}

using NoCgroups = HostTree;

class CgroupsTest : public HostTree {
 protected:
  CgroupsTest() { file("sys/fs/cgroup/cgroup.controllers", "cpu memory io pids\n"); }
};

TEST_F(CgroupsTest, AServiceHasCadvisorsNames) {
  const std::string place = "sys/fs/cgroup/system.slice/geth.service/";
  file(place + "cpu.stat",
       "usage_usec 3500000\nuser_usec 2500000\nsystem_usec 1000000\nnr_periods 10\nnr_throttled 4\n"
       "throttled_usec 250000\n");
  file(place + "cpu.max", "200000 100000\n");
  file(place + "cpu.weight", "100\n");
  file(place + "memory.current", "1000000\n");
  file(place + "memory.stat", "anon 400000\nfile 500000\nfile_mapped 1000\ninactive_file 300000\npgmajfault 7\n");
  file(place + "memory.max", "max\n");
  file(place + "memory.peak", "2000000\n");
  file(place + "memory.events", "low 0\nhigh 0\nmax 3\noom 1\noom_kill 2\n");
  file(place + "io.stat", "259:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n");
  file(place + "pids.current", "12\n");
  file(place + "cgroup.procs", "1\n2\n3\n");
  file(place + "cpu.pressure", "some avg10=0 total=1500000\nfull avg10=0 total=500000\n");
  link("sys/dev/block/259:0", "sys/devices/block/nvme0n1");
  const std::string id = R"({id="/system.slice/geth.service"})";
  const auto with = [](const std::string& label, const std::string& value) {
    return label < "id" ? "{" + label + "=\"" + value + "\", id=\"/system.slice/geth.service\"}"
                        : "{id=\"/system.slice/geth.service\", " + label + "=\"" + value + "\"}";
  };
  expect({{"container_cpu_usage_seconds_total" + with("cpu", "total"), 3.5},
          {"container_cpu_user_seconds_total" + id, 2.5},
          {"container_cpu_cfs_periods_total" + id, 10},
          {"container_cpu_cfs_throttled_periods_total" + id, 4},
          {"container_cpu_cfs_throttled_seconds_total" + id, 0.25},
          {"container_spec_cpu_quota" + id, 200000},
          {"container_spec_cpu_period" + id, 100000},
          {"container_spec_cpu_shares" + id, 2597},
          {"container_memory_usage_bytes" + id, 1000000},
          {"container_memory_working_set_bytes" + id, 700000},
          {"container_memory_rss" + id, 400000},
          {"container_memory_cache" + id, 500000},
          {"container_memory_max_usage_bytes" + id, 2000000},
          {"container_memory_failcnt" + id, 3},
          {"container_oom_events_total" + id, 2},
          {"container_spec_memory_limit_bytes" + id, 0},
          {"container_memory_failures_total{failure_type=\"pgmajfault\", id=\"/system.slice/geth.service\", "
           "scope=\"hierarchy\"}",
           7},
          {"container_fs_reads_bytes_total" + with("device", "/dev/nvme0n1"), 4096},
          {"container_fs_writes_total" + with("device", "/dev/nvme0n1"), 2},
          {"container_threads" + id, 12},
          {"container_processes" + id, 3},
          {"container_pressure_cpu_waiting_seconds_total" + id, 1.5},
          {"container_pressure_cpu_stalled_seconds_total" + id, 0.5},
          {"watchkeeper_host_cgroups", 3},
          {"watchkeeper_host_cgroups_dropped", 0}});
}

TEST_F(CgroupsTest, PodsAndContainersHaveTheirNames) {
  const std::string uid = "01234567-89ab-cdef-0123-456789abcdef", flat = "01234567_89ab_cdef_0123_456789abcdef";
  const std::string pod = "sys/fs/cgroup/kubepods.slice/kubepods-pod" + flat + ".slice";
  file(pod + "/pids.current", "9\n");
  file(pod + "/cri-containerd-" + kId + ".scope/pids.current", "5\n");
  file(pod + "/cri-containerd-" + kOtherId + ".scope/pids.current", "1\n");  // the sandbox: nowhere named
  file("sys/fs/cgroup/system.slice/docker-" + kId + ".scope/pids.current", "7\n");
  file("root/var/log/pods/staking_beacon-0_" + uid + "/lighthouse/0.log", "");
  file("root/var/log/containers/beacon-0_staking_lighthouse-bn-" + kId + ".log", "");
  file("root/var/lib/docker/containers/" + kId + "/config.v2.json",
       R"({"Name":"/geth","Config":{"Image":"ethereum/client-go:v1.16.7"}})");
  const std::string slice = "/kubepods.slice/kubepods-pod" + flat + ".slice";
  expect({{"container_threads{id=\"" + slice + "\", namespace=\"staking\", pod=\"beacon-0\"}", 9},
          {"container_threads{container=\"lighthouse-bn\", id=\"" + slice + "/cri-containerd-" + kId +
               ".scope\", name=\"" + kId + "\", namespace=\"staking\", pod=\"beacon-0\"}",
           5},
          {"container_threads{id=\"" + slice + "/cri-containerd-" + kOtherId + ".scope\", name=\"" + kOtherId +
               "\", namespace=\"staking\", pod=\"beacon-0\"}",
           1},
          {"container_threads{id=\"/system.slice/docker-" + kId +
               ".scope\", image=\"ethereum/client-go:v1.16.7\", name=\"geth\"}",
           7}});
}

TEST_F(CgroupsTest, DepthAndNumberAreBounded) {
  config.containers.cgroups_max = 5;
  for (int i = 0; i < 8; ++i) file("sys/fs/cgroup/a" + std::to_string(i) + "/pids.current", "1\n");
  auto got = read();
  EXPECT_EQ(got.at("watchkeeper_host_cgroups"), 5);
  EXPECT_EQ(got.at("watchkeeper_host_cgroups_dropped"), 4);
  config.containers.include = "^/a[01]";
  config.containers.depth_max = 1;
  file("sys/fs/cgroup/a0/b/pids.current", "1\n");
  got = read();
  EXPECT_EQ(got.at("watchkeeper_host_cgroups"), 2);
  EXPECT_EQ(got.at("watchkeeper_host_cgroups_dropped"), 1);
}

TEST_F(CgroupsTest, IsWalkedNoMoreOftenThanAsked) {
  file("sys/fs/cgroup/a/pids.current", "1\n");
  HostMetrics metrics(clock, config);
  const auto threads = [&] { return samples_of(metrics.read().text).at(R"(container_threads{id="/a"})"); };
  EXPECT_EQ(threads(), 1);
  file("sys/fs/cgroup/a/pids.current", "2\n");
  clock.advance(std::chrono::seconds(10));
  EXPECT_EQ(threads(), 1);
  clock.advance(std::chrono::seconds(5));
  EXPECT_EQ(threads(), 2);
}

TEST_F(CgroupsTest, NonsenseIsLeftOut) {
  const char* given = std::getenv("WATCHKEEPER_TEST_SEED");
  const unsigned seed = given != nullptr ? static_cast<unsigned>(std::atoi(given)) : std::random_device{}();
  std::printf("seed %u (WATCHKEEPER_TEST_SEED repeats it)\n", seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 50; ++round) {
    for (const std::string name : {"cpu.stat", "cpu.max", "cpu.weight", "memory.current", "memory.stat", "io.stat",
                                   "cpu.pressure", "pids.max", "memory.events"}) {
      std::string text(random() % 200, ' ');
      for (char& c : text) c = "usage_usec anon 0123456789:=\n\xff"[random() % 31];
      file("sys/fs/cgroup/x/" + name, text);
    }
    EXPECT_EQ(read().at("watchkeeper_host_cgroups"), 2);
  }
  file("root/var/lib/docker/containers/" + kId + "/config.v2.json", "{\"Name\": 5, \"Config\": []");
  file("sys/fs/cgroup/docker/" + kId + "/pids.current", "1\n");
  EXPECT_TRUE(read().contains("container_threads{id=\"/docker/" + kId + "\", name=\"" + kId + "\"}"));
}

TEST_F(NoCgroups, WithoutCgroupsOfVersion2ThereAreNoContainers) {
  const auto got = read();
  EXPECT_EQ(got.at(success("containers")), 0);
  EXPECT_THAT(complaints, testing::IsEmpty());
}

}  // namespace
}  // namespace collector::host
