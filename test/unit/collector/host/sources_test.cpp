// SPDX-License-Identifier: Apache-2.0
// Each source on a tree that has what few machines have: names, labels and units as node_exporter's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "test/unit/collector/host/host_tree.h"

namespace collector::host {
namespace {

using SourcesTest = HostTree;

TEST_F(SourcesTest, NetworkProtocolsAndSockets) {
  file("proc/net/netstat", "TcpExt: SyncookiesSent ListenDrops Other\nTcpExt: 3 4 5\n");
  file("proc/net/snmp", "Ip: Forwarding DefaultTTL\nIp: 1 64\nTcp: MaxConn ActiveOpens\nTcp: -1 77\n");
  file("proc/net/snmp6", "Ip6InOctets  52\nIcmp6InMsgs 7\nUdpLite6InErrors 2\n");
  file("proc/net/sockstat", "sockets: used 231\nTCP: inuse 5 orphan 0 tw 2 alloc 9 mem 3\n");
  file("proc/net/sockstat6", "TCP6: inuse 1\n");
  file("proc/net/softnet_stat",
       "0000000a 00000002 00000003 0 0 0 0 0 00000004 00000005 00000006 00000007 00000000\n"
       "00000010 0 0 0 0 0 0 0 0 0 0 0 00000003\n");
  file("proc/net/udp",
       "  sl  local_address rem_address   st tx_queue rx_queue\n"
       "  5: 0100007F:0035 00000000:0000 07 00000010:00000020 00:00000000 00000000 0 0 1 2 0 0\n"
       "  6: 0100007F:0036 00000000:0000 07 00000001:00000002 00:00000000 00000000 0 0 1 2 0 0\n");
  const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
  expect({{"node_netstat_TcpExt_SyncookiesSent", 3},
          {"node_netstat_TcpExt_ListenDrops", 4},
          {"node_netstat_Ip_Forwarding", 1},
          {"node_netstat_Tcp_ActiveOpens", 77},
          {"node_netstat_Ip6_InOctets", 52},
          {"node_netstat_Icmp6_InMsgs", 7},
          {"node_netstat_UdpLite6_InErrors", 2},
          {"node_sockstat_sockets_used", 231},
          {"node_sockstat_TCP_mem", 3},
          {"node_sockstat_TCP_mem_bytes", 3 * page},
          {"node_sockstat_TCP6_inuse", 1},
          {R"(node_softnet_processed_total{cpu="0"})", 10},
          {R"(node_softnet_dropped_total{cpu="0"})", 2},
          {R"(node_softnet_times_squeezed_total{cpu="0"})", 3},
          {R"(node_softnet_backlog_len{cpu="0"})", 7},
          {R"(node_softnet_processed_total{cpu="3"})", 16},
          {R"(node_udp_queues{ip="v4", queue="rx"})", 34},
          {R"(node_udp_queues{ip="v4", queue="tx"})", 17}});
  const auto got = read();
  EXPECT_FALSE(got.contains("node_netstat_TcpExt_Other"));
  EXPECT_FALSE(got.contains("node_netstat_Tcp_MaxConn"));
  config.netstat.fields_include = "^Tcp_";
  EXPECT_EQ(read().at("node_netstat_Tcp_MaxConn"), -1);
}

TEST_F(SourcesTest, NeighboursConnectionsAndInterfaces) {
  file("proc/net/arp",
       "IP address HW type Flags HW address Mask Device\n1.1.1.1 0x1 0x2 aa:bb:cc:dd:ee:ff * eth0\n"
       "1.1.1.2 0x1 0x2 aa:bb:cc:dd:ee:fe * eth0\n1.1.1.3 0x1 0x2 aa:bb:cc:dd:ee:fd * eth1\n");
  file("proc/sys/net/netfilter/nf_conntrack_count", "123\n");
  file("proc/sys/net/netfilter/nf_conntrack_max", "65536\n");
  file("proc/net/stat/nf_conntrack",
       "entries found insert_failed search_restart\n00000001 0000000a 00000002 00000001\n00000001 00000001 00000001 "
       "0\n");
  file("sys/class/net/eth0/operstate", "up\n");
  file("sys/class/net/eth0/speed", "1000\n");
  file("sys/class/net/eth0/flags", "0x1003\n");
  file("sys/class/net/eth0/address", "02:00:00:00:00:01\n");
  file("sys/class/net/eth0/broadcast", "ff:ff:ff:ff:ff:ff\n");
  file("sys/class/net/eth0/carrier_up_count", "2\n");
  file("sys/class/net/veth1/operstate", "down\n");
  file("sys/class/net/veth1/speed", "-1\n");
  file("sys/class/net/bonding_masters", "bond0\n");
  file("sys/class/net/bond0/bonding/slaves", "eth0 eth1\n");
  file("sys/class/net/bond0/lower_eth0/bonding_slave/mii_status", "up\n");
  file("sys/class/net/bond0/lower_eth1/bonding_slave/mii_status", "down\n");
  expect({{R"(node_arp_entries{device="eth0"})", 2},
          {R"(node_arp_entries{device="eth1"})", 1},
          {"node_nf_conntrack_entries", 123},
          {"node_nf_conntrack_entries_limit", 65536},
          {"node_nf_conntrack_stat_found", 11},
          {"node_nf_conntrack_stat_insert_failed", 3},
          {R"(node_network_speed_bytes{device="eth0"})", 125e6},
          {R"(node_network_speed_bytes{device="veth1"})", -125000},
          {R"(node_network_flags{device="eth0"})", 4099},
          {R"(node_network_carrier_up_changes_total{device="eth0"})", 2},
          {R"(node_network_info{address="02:00:00:00:00:01", broadcast="ff:ff:ff:ff:ff:ff", device="eth0", )"
           R"(operstate="up"})",
           1},
          {R"(node_bonding_slaves{master="bond0"})", 2},
          {R"(node_bonding_active{master="bond0"})", 1},
          {success("bonding"), 1}});
  config.netclass.ignored_devices = "^bond";
  config.netclass.ignore_invalid_speed = true;
  config.arp.device_exclude = "^eth1$";
  const auto got = read();
  EXPECT_FALSE(got.contains(R"(node_network_speed_bytes{device="veth1"})"));
  EXPECT_FALSE(got.contains(R"(node_network_up{device="bond0"})"));
  EXPECT_FALSE(got.contains(R"(node_arp_entries{device="eth1"})"));
}

TEST_F(SourcesTest, DisksAndRaid) {
  file("proc/diskstats", " 259 0 nvme0n1 1 0 8 5 2 0 4 15 0 20 25\n 259 1 nvme0n1p1 1 0 8 5 2 0 4 15 0 20 25\n");
  file("udev/b259:0",
       "S:disk/by-id/x\nE:ID_MODEL=Fast 2TB\nE:ID_SERIAL_SHORT=S1\nE:ID_WWN=eui.1\nE:ID_PATH=pci-1\n"
       "E:ID_REVISION=R2\nE:ID_FS_TYPE=ext4\nE:ID_FS_UUID=u-1\nE:ID_FS_USAGE=filesystem\nE:ID_FS_VERSION=1.0\n");
  file("proc/mdstat",
       "Personalities : [raid1] [raid0]\nmd0 : active raid1 sdb1[1] sda1[0](F) sdc1[2](S)\n"
       "      1000 blocks super 1.2 [2/1] [U_]\n"
       "      [==>......]  recovery =  8.5% (85/1000) finish=17.0min speed=259783K/sec\n"
       "      bitmap: 0/15 pages [0KB], 65536KB chunk\n\n"
       "md1 : active raid0 sdd1[0] sde1[1]\n      500 blocks super 1.2 512k chunks\n\n"
       "md2 : inactive sdf1[0](S)\n      250 blocks super 1.2\n\n"
       "md3 : active (auto-read-only) raid1 sdg1[0] sdh1[1]\n      700 blocks super 1.2 [2/2] [UU]\n"
       "        resync=PENDING\n\nunused devices: <none>\n");
  file("sys/class/nvme/nvme0/model", "Fast 2TB   \n");
  file("sys/class/nvme/nvme0/serial", "S1  \n");
  file("sys/class/nvme/nvme0/firmware_rev", "R2\n");
  file("sys/class/nvme/nvme0/state", "live\n");
  expect(
      {{R"(node_disk_info{device="nvme0n1", major="259", minor="0", model="Fast 2TB", path="pci-1", revision="R2", )"
        R"(serial="S1", wwn="eui.1"})",
        1},
       {R"(node_disk_filesystem_info{device="nvme0n1", type="ext4", usage="filesystem", uuid="u-1", version="1.0"})",
        1},
       {R"(node_md_state{device="md0", state="recovering"})", 1},
       {R"(node_md_state{device="md0", state="active"})", 0},
       {R"(node_md_disks{device="md0", state="active"})", 1},
       {R"(node_md_disks{device="md0", state="failed"})", 1},
       {R"(node_md_disks{device="md0", state="spare"})", 1},
       {R"(node_md_disks{device="md0", state="down"})", 1},
       {R"(node_md_disks_required{device="md0"})", 2},
       {R"(node_md_blocks{device="md0"})", 1000},
       {R"(node_md_blocks_synced{device="md0"})", 85},
       {R"(node_md_disks{device="md1", state="active"})", 2},
       {R"(node_md_disks_required{device="md1"})", 2},
       {R"(node_md_blocks_synced{device="md1"})", 500},
       {R"(node_md_state{device="md2", state="inactive"})", 1},
       {R"(node_md_disks{device="md2", state="active"})", 0},
       {R"(node_md_state{device="md3", state="resync"})", 1},
       {R"(node_md_blocks_synced{device="md3"})", 0},
       {R"(node_nvme_info{device="nvme0", firmware_revision="R2", model="Fast 2TB", serial="S1", state="live"})", 1}});
  EXPECT_FALSE(read().contains(R"(node_disk_io_now{device="nvme0n1p1"})"));
  config.diskstats = {.device_include = "p1$", .device_exclude = ""};
  const auto got = read();
  EXPECT_TRUE(got.contains(R"(node_disk_io_now{device="nvme0n1p1"})"));
  EXPECT_FALSE(got.contains(R"(node_disk_io_now{device="nvme0n1"})"));
}

TEST_F(SourcesTest, SensorsAndPower) {
  const std::string chip = "sys/devices/platform/coretemp.0/hwmon/hwmon0/";
  file(chip + "name", "coretemp\n");
  file(chip + "temp1_input", "45500\n");
  file(chip + "temp1_crit", "100000\n");
  file(chip + "temp1_crit_alarm", "0\n");
  file(chip + "temp1_label", "Package id 0\n");
  file(chip + "temp1_type", "4\n");
  file(chip + "fan1_input", "1200\n");
  file(chip + "in0_input", "1024\n");
  file(chip + "power1_average", "5000000\n");
  file(chip + "power1_average_interval", "2000\n");
  file(chip + "pwm1", "128\n");
  file(chip + "pwm1_enable", "2\n");
  file(chip + "energy1_input", "3000000\n");
  file(chip + "intrusion0_alarm", "1\n");
  file(chip + "update_interval", "1000\n");
  file(chip + "temp2_input", "no number\n");
  link("sys/class/hwmon/hwmon0", chip);
  link(chip + "device", "sys/devices/platform/coretemp.0");
  file("sys/class/thermal/thermal_zone0/type", "x86_pkg_temp\n");
  file("sys/class/thermal/thermal_zone0/temp", "51000\n");
  file("sys/class/thermal/cooling_device1/type", "Fan\n");
  file("sys/class/thermal/cooling_device1/cur_state", "1\n");
  file("sys/class/thermal/cooling_device1/max_state", "3\n");
  file("sys/devices/system/edac/mc/mc0/ce_count", "4\n");
  file("sys/devices/system/edac/mc/mc0/ue_count", "1\n");
  file("sys/devices/system/edac/mc/mc0/ce_noinfo_count", "2\n");
  file("sys/devices/system/edac/mc/mc0/csrow3/ce_count", "5\n");
  file("sys/class/power_supply/BAT0/energy_now", "36580000\n");
  file("sys/class/power_supply/BAT0/online", "1\n");
  file("sys/class/power_supply/BAT0/type", "Battery\n");
  file("sys/class/powercap/intel-rapl:0/name", "package-0\n");
  file("sys/class/powercap/intel-rapl:0/energy_uj", "2500000\n");
  file("sys/class/powercap/intel-rapl:0:0/name", "core\n");
  file("sys/class/powercap/intel-rapl:0:0/energy_uj", "1000000\n");
  expect({{R"(node_hwmon_chip_names{chip="platform_coretemp_0", chip_name="coretemp"})", 1},
          {R"(node_hwmon_sensor_label{chip="platform_coretemp_0", label="Package id 0", sensor="temp1"})", 1},
          {R"(node_hwmon_temp_celsius{chip="platform_coretemp_0", sensor="temp1"})", 45.5},
          {R"(node_hwmon_temp_crit_celsius{chip="platform_coretemp_0", sensor="temp1"})", 100},
          {R"(node_hwmon_temp_crit_alarm_celsius{chip="platform_coretemp_0", sensor="temp1"})", 0},
          {R"(node_hwmon_temp_type{chip="platform_coretemp_0", sensor="temp1"})", 4},
          {R"(node_hwmon_fan_rpm{chip="platform_coretemp_0", sensor="fan1"})", 1200},
          {R"(node_hwmon_in_volts{chip="platform_coretemp_0", sensor="in0"})", 1.024},
          {R"(node_hwmon_power_average_watt{chip="platform_coretemp_0", sensor="power1"})", 5},
          {R"(node_hwmon_power_average_interval_seconds{chip="platform_coretemp_0", sensor="power1"})", 2},
          {R"(node_hwmon_pwm{chip="platform_coretemp_0", sensor="pwm1"})", 128},
          {R"(node_hwmon_pwm_enable{chip="platform_coretemp_0", sensor="pwm1"})", 2},
          {R"(node_hwmon_energy_joule_total{chip="platform_coretemp_0", sensor="energy1"})", 3},
          {R"(node_hwmon_intrusion_alarm{chip="platform_coretemp_0", sensor="intrusion0"})", 1},
          {R"(node_hwmon_update_interval_seconds{chip="platform_coretemp_0", sensor="update_interval"})", 1},
          {R"(node_thermal_zone_temp{type="x86_pkg_temp", zone="0"})", 51},
          {R"(node_cooling_device_cur_state{name="1", type="Fan"})", 1},
          {R"(node_cooling_device_max_state{name="1", type="Fan"})", 3},
          {R"(node_edac_correctable_errors_total{controller="0"})", 4},
          {R"(node_edac_uncorrectable_errors_total{controller="0"})", 1},
          {R"(node_edac_csrow_correctable_errors_total{controller="0", csrow="unknown"})", 2},
          {R"(node_edac_csrow_correctable_errors_total{controller="0", csrow="3"})", 5},
          {R"(node_power_supply_energy_watthour{power_supply="BAT0"})", 36.58},
          {R"(node_power_supply_online{power_supply="BAT0"})", 1},
          {R"(node_power_supply_info{power_supply="BAT0", type="Battery"})", 1},
          {"node_rapl_package_joules_total{index=\"0\", path=\"" + folder + "/sys/class/powercap/intel-rapl:0\"}", 2.5},
          {"node_rapl_core_joules_total{index=\"0\", path=\"" + folder + "/sys/class/powercap/intel-rapl:0:0\"}", 1}});
  EXPECT_FALSE(read().contains(R"(node_hwmon_temp_celsius{chip="platform_coretemp_0", sensor="temp2"})"));
}

TEST_F(SourcesTest, ProcessorsAndIdentity) {
  config.cpu.info = true;
  config.collectors.named["processes"] = true;
  file("proc/stat",
       "cpu0 1 0 0 0 0 0 0 0 0 0\nintr 1\nctxt 1\nbtime 1\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n");
  file("proc/cpuinfo", "processor\t: 0\nvendor_id\t: Acme\nmodel name\t: Fast\n\nprocessor\t: 1\nvendor_id\t: Acme\n");
  const std::string cpu = "sys/devices/system/cpu/cpu0/";
  file(cpu + "topology/physical_package_id", "0\n");
  file(cpu + "topology/core_id", "2\n");
  file(cpu + "thermal_throttle/core_throttle_count", "5\n");
  file(cpu + "thermal_throttle/package_throttle_count", "6\n");
  file(cpu + "cpufreq/scaling_cur_freq", "1700000\n");
  file(cpu + "cpufreq/cpuinfo_max_freq", "3700000\n");
  file(cpu + "cpufreq/scaling_governor", "powersave\n");
  file(cpu + "cpufreq/scaling_available_governors", "performance powersave\n");
  file("sys/devices/system/cpu/cpufreq/policy0/x", "");
  file("proc/schedstat", "version 15\ntimestamp 1\ncpu0 0 0 0 0 0 0 2000000000 1000000000 7\ndomain0 3 0\n");
  file("root/usr/lib/os-release", "NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID='12.5'\n# x\nVERSION=\"12 b\"\n");
  file("sys/fs/selinux/enforce", "1");
  file("root/etc/selinux/config", "SELINUX=permissive\n");
  file("sys/class/dmi/id/sys_vendor", "Acme\n");
  file("sys/class/dmi/id/product_name", "Box\n");
  file("proc/sys/kernel/random/entropy_avail", "256\n");
  file("proc/sys/kernel/random/poolsize", "4096\n");
  file("sys/devices/system/clocksource/clocksource0/available_clocksource", "tsc hpet \n");
  file("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n");
  file("proc/sys/kernel/threads-max", "1000\n");
  file("proc/sys/kernel/pid_max", "2000\n");
  file("proc/7/stat", "7 (a) b) c) S 1 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 5 0 1\n");
  file("proc/8/stat", "8 (x) R 1 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 2 0 1\n");
  expect({{R"(node_cpu_info{cpu="0", model_name="Fast", vendor="Acme"})", 1},
          {R"(node_cpu_info{cpu="1", vendor="Acme"})", 1},
          {R"(node_cpu_core_throttles_total{core="2", package="0"})", 5},
          {R"(node_cpu_package_throttles_total{package="0"})", 6},
          {R"(node_cpu_scaling_frequency_hertz{cpu="0"})", 1.7e9},
          {R"(node_cpu_frequency_max_hertz{cpu="0"})", 3.7e9},
          {R"(node_cpu_scaling_governor{cpu="0", governor="powersave"})", 1},
          {R"(node_cpu_scaling_governor{cpu="0", governor="performance"})", 0},
          {R"(node_schedstat_running_seconds_total{cpu="0"})", 2},
          {R"(node_schedstat_waiting_seconds_total{cpu="0"})", 1},
          {R"(node_schedstat_timeslices_total{cpu="0"})", 7},
          {R"(node_os_info{id="debian", name="Debian GNU/Linux", version="12 b", version_id="12.5"})", 1},
          {R"(node_os_version{id="debian", name="Debian GNU/Linux"})", 12.5},
          {"node_selinux_enabled", 1},
          {"node_selinux_config_mode", 0},
          {"node_selinux_current_mode", 1},
          {R"(node_dmi_info{product_name="Box", system_vendor="Acme"})", 1},
          {"node_entropy_available_bits", 256},
          {"node_entropy_pool_size_bits", 4096},
          {R"(node_time_clocksource_available_info{clocksource="hpet", device="0"})", 1},
          {R"(node_time_clocksource_current_info{clocksource="tsc", device="0"})", 1},
          {"node_processes_pids", 2},
          {"node_processes_threads", 7},
          {"node_processes_max_threads", 1000},
          {R"(node_processes_state{state="R"})", 1}});
}

TEST_F(SourcesTest, AProcessorsTimeDoesNotGoBack) {
  const auto stat = [&](const std::string& line) { file("proc/stat", line + "\n"); };
  const auto hz = static_cast<double>(::sysconf(_SC_CLK_TCK));
  HostMetrics metrics(clock, config);
  const auto read_mode = [&](const std::string& mode) {
    return samples_of(metrics.read().text).at("node_cpu_seconds_total{cpu=\"0\", mode=\"" + mode + "\"}") * hz;
  };
  stat("cpu0 100 0 0 5000 50 0 0 0 0 0");
  EXPECT_DOUBLE_EQ(read_mode("iowait"), 50);
  stat("cpu0 110 0 0 5010 40 0 0 0 0 0");
  EXPECT_DOUBLE_EQ(read_mode("iowait"), 50);
  EXPECT_DOUBLE_EQ(read_mode("user"), 110);
  stat("cpu0 1 0 0 10 2 0 0 0 0 0");  // the processor was taken away and came back
  EXPECT_DOUBLE_EQ(read_mode("idle"), 10);
  EXPECT_DOUBLE_EQ(read_mode("user"), 1);
}

TEST_F(SourcesTest, ACollectorCanBeSwitchedOff) {
  file("proc/loadavg", "1 1 1 1/1 1\n");
  config.collectors.named["loadavg"] = false;
  const auto got = read();
  EXPECT_FALSE(got.contains("node_load1"));
  EXPECT_FALSE(got.contains(success("loadavg")));
  EXPECT_FALSE(got.contains(success("processes")));
  EXPECT_TRUE(got.contains(success("cpu")));
}

TEST_F(SourcesTest, OnlyWhatIsThereAndWrongIsAComplaint) {
  file("proc/net/arp", "IP address HW type Flags HW address Mask Device\n1.1.1.1 0x1\n");
  const auto got = read();
  EXPECT_EQ(got.at(success("arp")), 0);
  EXPECT_EQ(got.at(success("hwmon")), 0);
  EXPECT_THAT(complaints,
              testing::ElementsAre("arp: " + folder + "/proc/net/arp: expected six columns, got " + "\"1.1.1.1 0x1\""));
}

}  // namespace
}  // namespace collector::host
