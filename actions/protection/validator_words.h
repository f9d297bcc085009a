// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace actions::protection {

// Whether a name - of a unit, a label, a program, a namespace - is that of something that signs for validators: a
// validator client, a remote signer, or what stands between them. Words are told apart by anything that is neither a
// letter nor a digit; case does not matter. It errs toward yes.
bool names_a_validator(std::string_view text);

}  // namespace actions::protection
