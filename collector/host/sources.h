// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "collector/host/exposition_writer.h"
#include "collector/host/host_metrics.h"
#include "core/result.h"

namespace collector::host {

// A file of /proc or /sys; kLimitExceeded past 4 MiB.
core::Result<std::string> read_file(const std::string& path);
std::vector<std::string_view> split_lines(std::string_view text);
// By runs of blanks.
std::vector<std::string_view> split_fields(std::string_view line);
// 0 for what is not a number: the kernel's own files have numbers or a word that says there is none.
double to_number(std::string_view text);

// One source each: it writes whole families, or fails before it has written anything.
core::Result<void> write_cpu(const HostPaths& paths, ExpositionWriter& out);
core::Result<void> write_stat(const HostPaths& paths, ExpositionWriter& out);
core::Result<void> write_memory(const HostPaths& paths, ExpositionWriter& out);
core::Result<void> write_vmstat(const HostPaths& paths, ExpositionWriter& out);
core::Result<void> write_load(const HostPaths& paths, ExpositionWriter& out);
core::Result<void> write_pressure(const HostPaths& paths, ExpositionWriter& out);
core::Result<void> write_file_handles(const HostPaths& paths, ExpositionWriter& out);
core::Result<void> write_filesystems(const HostPaths& paths, ExpositionWriter& out);
core::Result<void> write_disks(const HostPaths& paths, ExpositionWriter& out);
core::Result<void> write_network(const HostPaths& paths, ExpositionWriter& out);
core::Result<void> write_network_state(const HostPaths& paths, ExpositionWriter& out);
core::Result<void> write_clock_state(const HostPaths& paths, ExpositionWriter& out);
core::Result<void> write_uname(const HostPaths& paths, ExpositionWriter& out);

}  // namespace collector::host
