"""Makes vectors.json: the sealed bus, written again from docs/sealed-bus-protocol.md.

    python3 vectors.py > vectors.json

X25519, HKDF and base32 are in this file or in the standard library; AES-256-GCM is that of `cryptography`.
"""

import base64
import hashlib
import hmac
import json
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

P = 2**255 - 19


def x25519(scalar: bytes, point: bytes) -> bytes:
    """RFC 7748, section 5."""
    k = bytearray(scalar)
    k[0] &= 248
    k[31] = (k[31] & 127) | 64
    k = int.from_bytes(k, "little")
    x1 = int.from_bytes(point, "little") % 2**255 % P
    x2, z2, x3, z3, swap = 1, 0, x1, 1, 0
    for bit in reversed(range(255)):
        now = (k >> bit) & 1
        if swap != now:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = now
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a, b * b, d * a, c * b
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, x1 * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


def derive(secret: bytes, salt: bytes, info: bytes) -> tuple[bytes, bytes]:
    """HKDF-SHA256 (RFC 5869): 32 bytes of key, 12 of initial vector."""
    prk = hmac.digest(salt, secret, "sha256")
    one = hmac.digest(prk, info + b"\x01", "sha256")
    two = hmac.digest(prk, one + info + b"\x02", "sha256")
    return one, two[:12]


def lp(text: str) -> bytes:
    return struct.pack(">H", len(text.encode())) + text.encode()


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def node_id(service: str, public: bytes) -> str:
    return service + "." + base64.b32encode(sha256(public)).decode().lower()[:26]


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def data_key(secret, namespace, sender, receiver):
    info = b"data" + lp(namespace) + lp(sender["nodeID"]) + sender["public"]
    return derive(secret, b"msg-seal/1", info + lp(receiver["nodeID"]) + receiver["public"])


def end(service: str, private: bytes) -> dict:
    public = x25519(private, (9).to_bytes(32, "little"))
    return {"private": private, "public": public, "kid": sha256(public)[:8], "nodeID": node_id(service, public)}


def shown(value):
    if isinstance(value, bytes):
        return value.hex()
    return {k: shown(v) for k, v in value.items()} if isinstance(value, dict) else value


def main() -> None:
    namespace = "shop"
    users, guard = end("users", bytes(range(1, 33))), end("guard", bytes(range(101, 133)))
    secret = x25519(users["private"], guard["public"])
    assert secret == x25519(guard["private"], users["public"])
    (key, iv), (back, back_iv) = data_key(secret, namespace, users, guard), data_key(secret, namespace, guard, users)

    counter = 2**32 - 1
    records = [(8, b'{"ver":"5"}'), (19, b"{}")]
    plaintext = b"".join(struct.pack(">BI", kind, len(content)) + content for kind, content in records)
    header = bytes([1, 1, 0, 0]) + users["kid"] + guard["kid"] + struct.pack(">Q", counter)
    nonce = bytes(a ^ b for a, b in zip(iv, bytes(4) + struct.pack(">Q", counter)))
    data = header + AESGCM(key).encrypt(nonce, plaintext, header)

    bound = lp(namespace) + users["public"] + lp(guard["nodeID"]) + guard["public"]
    salt = bytes(range(16))
    binding = b"exchange" + bound + salt
    credential = bytes(range(200, 232))
    mac = lambda label: base64url(hmac.digest(credential, label + binding + users["nodeID"].encode(), "sha256"))
    request = {"nodeID": users["nodeID"], "credentials": [["name", mac(b"")]]}
    header = bytes([1, 2, 0, 0]) + guard["kid"] + users["public"] + salt
    exchange_key, exchange_iv = derive(secret, salt, b"exchange" + bound)
    content = json.dumps(request, separators=(",", ":")).encode()
    exchange = header + AESGCM(exchange_key).encrypt(exchange_iv, content, header)

    grant_salt = bytes(range(16, 32))
    response = {"time": 1, "credentials": []}
    header = bytes([1, 3, 0, 0]) + guard["kid"] + users["kid"] + grant_salt
    grant_key, grant_iv = derive(secret, grant_salt, b"grant" + bound + sha256(exchange))
    content = json.dumps(response, separators=(",", ":")).encode()
    grant = header + AESGCM(grant_key).encrypt(grant_iv, content, header)

    hello = {"nodeID": users["nodeID"], "identities": []}
    vectors = {
        "namespace": namespace,
        "users": users,
        "guard": guard,
        "secret": secret,
        "usersToGuard": {"key": key, "iv": iv},
        "guardToUsers": {"key": back, "iv": back_iv},
        "data": {"counter": counter, "nonce": nonce, "plaintext": plaintext, "frame": data},
        "credential": {"secret": credential, "binding": binding, "mac": mac(b""), "proof": mac(b"grant")},
        "exchange": {"key": exchange_key, "iv": exchange_iv, "json": request, "frame": exchange},
        "grant": {"key": grant_key, "iv": grant_iv, "json": response, "frame": grant},
        "hello": {"json": hello, "frame": bytes([1, 4, 0, 0]) + json.dumps(hello, separators=(",", ":")).encode()},
    }
    print(json.dumps(shown(vectors), indent=2))


main()
