#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes an empty restic repository (here: config and keys/) whose key is derived at once.

restic makes its keys so that deriving one from the password takes half a second, each time it opens a repository. A key
says itself how it is to be derived, so one that says "scrypt, N=2" opens as every other does, at no cost. Its format is
in restic's doc/design.rst, "Keys, Encryption and MAC".

  make.py FOLDER PASSWORD    makes FOLDER by `restic init` and puts such a key in place of its own
"""
import base64
import hashlib
import json
import os
import subprocess
import sys


def aes(mode, key, iv, data):
    """AES as `openssl enc` has it."""
    vector = ["-iv", iv.hex()] if iv else []
    command = ["openssl", "enc", "-" + mode, "-nopad", "-K", key.hex()] + vector
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def poly1305_aes(message, k, r, nonce):
    """Bernstein's Poly1305-AES."""
    factor = int.from_bytes(r, "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for at in range(0, len(message), 16):
        total = (total + int.from_bytes(message[at:at + 16] + b"\x01", "little")) * factor % (2**130 - 5)
    total += int.from_bytes(aes("aes-128-ecb", k, b"", nonce), "little")
    return (total % 2**128).to_bytes(16, "little")


def main(folder, password):
    environment = dict(os.environ, RESTIC_REPOSITORY=folder, RESTIC_PASSWORD=password)
    subprocess.run(["restic", "init"], env=environment, check=True)
    master = subprocess.run(["restic", "cat", "masterkey"], env=environment, capture_output=True, check=True).stdout
    master = json.dumps(json.loads(master)).encode()

    salt, nonce = os.urandom(64), os.urandom(16)
    cost = {"N": 2, "r": 1, "p": 1}
    derived = hashlib.scrypt(password.encode(), salt=salt, n=cost["N"], r=cost["r"], p=cost["p"], dklen=64)
    encrypted = aes("aes-256-ctr", derived[:32], nonce, master)
    tag = poly1305_aes(encrypted, derived[32:48], derived[48:], nonce)
    key = {"created": "2026-01-01T00:00:00Z", "username": "test", "hostname": "test", "kdf": "scrypt", **cost,
           "salt": base64.b64encode(salt).decode(), "data": base64.b64encode(nonce + encrypted + tag).decode()}

    text = json.dumps(key).encode()
    keys = os.path.join(folder, "keys")
    for old in os.listdir(keys):
        os.remove(os.path.join(keys, old))
    with open(os.path.join(keys, hashlib.sha256(text).hexdigest()), "wb") as file:
        file.write(text)
    subprocess.run(["restic", "cat", "config"], env=environment, check=True)


main(*sys.argv[1:])
