// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "core/result.h"
#include "core/ring/mapped_ring.h"
#include "core/ring/ring_state.h"

namespace core::ring {

// Makes the ring in an open file ready for appenders and readers: finds out how it was left, checks what has to be
// checked, and puts together what is known in ordinary memory only. REQUIRES: nobody uses it yet.
RingRecovery recover_ring(RingState& ring, const std::string& boot_id);

// Writes the superblock of a new ring into a file of zeros.
void format_ring(MappedFile& file, const RingGeometry& geometry, const std::string& boot_id);
// The geometry that a file says it has. kInvalid, with what is wrong, if it is not a ring of this version.
Result<RingGeometry> identify_ring(const MappedFile& file);

// Copies what fits of a ring into one that was never used: the newest series, times and chunks.
void migrate_ring(RingState& from, RingState& to);

}  // namespace core::ring
