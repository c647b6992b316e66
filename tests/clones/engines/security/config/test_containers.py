"""Dockerfiles, compose files and manifests: what is unsafe, beside twins that are not."""

from collections.abc import Callable

import pytest

from clones.engines.security.config import compose, dockerfile, kubernetes
from clones.engines.security.config.hit import FileError, Hit, is_credential
from clones.engines.security.config.yaml_nodes import documents


def told(check: Callable[[str], list[Hit]], text: str) -> list[tuple[int, str]]:
    return [(hit.line, hit.rule.partition("/")[2]) for hit in check(text)]


USER = "USER app\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM python:3.12\nRUN pip install .\n", [(1, "no-user")]),
        ("FROM python:3.12\nUSER app\nRUN true\nUSER root\n", [(4, "root-user")]),
        ("FROM python:3.12\nUSER 0:0\n", [(2, "root-user")]),
        ("FROM python:3.12\nUSER root\nRUN apt-get update\nUSER 1000\n", []),
        ("FROM gcr.io/distroless/static:nonroot\n", []),
        ("FROM golang:1.22 AS build\nFROM build\nCOPY . .\n" + USER, []),
        ("FROM python\n" + USER, [(1, "unpinned-image")]),
        (
            "# syntax=docker/dockerfile:1\nfrom --platform=linux/amd64 registry:5000/python:latest\n" + USER,
            [(2, "unpinned-image")],
        ),
        ("FROM python@sha256:00\n" + USER, []),
        ("ARG BASE=python\nFROM ${BASE}\n" + USER, []),
        ("FROM scratch\n" + USER, []),
        ("FROM a:1\nADD https://example.org/x.tar /x\n" + USER, [(2, "add-url")]),
        ("FROM a:1\nADD --checksum=sha256:00 https://example.org/x.tar /x\nADD x.tar /\n" + USER, []),
        (
            "FROM a:1\nRUN set -e; \\\n  # the installer\n  curl -fsSL https://example.org/i.sh | sudo bash -s\n"
            + USER,
            [(3, "curl-pipe-shell")],
        ),
        ('FROM a:1\nRUN bash -c "$(curl -fsSL https://example.org/i.sh)"\n' + USER, [(2, "curl-pipe-shell")]),
        ("FROM a:1\nRUN curl -fsSLO https://example.org/i.sh && sha256sum -c sums && sh i.sh\n" + USER, []),
        ("FROM a:1\nRUN curl -fsSL https://example.org/x.tgz | tar xz\n" + USER, []),
        (
            "FROM a:1\nRUN apt-get update && \\\n wget --no-check-certificate https://example.org/x\n" + USER,
            [(3, "tls-off")],
        ),
        ("FROM a:1\nRUN curl -kL https://example.org/x -o x\n" + USER, [(2, "tls-off")]),
        ("FROM a:1\nRUN curl -L https://example.org/x --keepalive-time 5 -o k\n" + USER, []),
        ("FROM a:1\nRUN chmod -R 777 /data\n" + USER, [(2, "world-writable")]),
        ("FROM a:1\nRUN chmod 0755 /data && chmod +x /run.sh\n" + USER, []),
        ("FROM a:1\nENV PORT=80 \\\n  DB_PASSWORD=hunter2hunter2\n" + USER, [(3, "credential")]),
        ("FROM a:1\nENV API_TOKEN the old form\n" + USER, [(2, "credential")]),
        ("FROM a:1\nARG TOKEN\nARG TOKEN=\nENV TOKEN=$TOKEN PASSWORD_FILE=/run/x SECRET=/run/secrets/x\n" + USER, []),
        ("FROM a:1\nCOPY .env id_rsa /app/\n" + USER, [(2, "private-file"), (2, "private-file")]),
        ("FROM a:1\nCOPY .env.example src /app/\nCOPY --from=build /root/.npmrc /x\n" + USER, []),
        (
            "FROM a:1\nRUN <<EOF\napt-get update\ncurl https://example.org/i.sh | sh\nEOF\n" + USER,
            [(4, "curl-pipe-shell")],
        ),
        ("", []),
        ("\0\xff FROM", []),
    ],
)
def test_dockerfiles(text: str, expected: list[tuple[int, str]]) -> None:
    assert told(dockerfile.check, text) == expected


COMPOSE = """
services:
  web: &web
    image: shop:1
    privileged: true
    network_mode: host
    volumes:
      - /var/run/docker.sock:/var/run/docker.sock:ro
      - ./data:/data
      - {type: bind, source: /etc, target: /host}
    cap_add: [NET_BIND_SERVICE, SYS_ADMIN]
    security_opt: ["seccomp:unconfined", "no-new-privileges:true"]
    environment:
      POSTGRES_PASSWORD: correcthorse
      OTHER_PASSWORD: ${OTHER_PASSWORD}
      PASSWORD_FILE: /run/secrets/x
  again: *web
  worker:
    image: shop:1
    privileged: false
    network_mode: bridge
    environment:
      - API_KEY=0123456789abcdef
      - API_KEY_NAME=main
      - SECRET_KEY
"""


def test_compose_files() -> None:
    assert told(compose.check, COMPOSE) == [
        (5, "privileged"),
        (6, "host-namespace"),
        (8, "runtime-socket"),
        (10, "host-directory"),
        (11, "capability"),
        (12, "unconfined"),
        (14, "credential"),
        (23, "credential"),
    ]
    assert {hit.secret for hit in compose.check(COMPOSE)} == {"", "correcthorse", "0123456789abcdef"}
    assert compose.check("services: [1, {a: b}]\n---\nservices:\n  x: 3\n") == []


MANIFEST = """apiVersion: apps/v1
kind: Deployment
spec:
  template:
    spec:
      hostNetwork: true
      securityContext: {runAsUser: 0}
      volumes:
        - name: logs
          hostPath: {path: /var/log}
        - name: sock
          hostPath: {path: /run/containerd/containerd.sock}
      containers:
        - name: web
          image: shop
          securityContext:
            privileged: true
            allowPrivilegeEscalation: true
            capabilities: {add: ["CAP_SYS_PTRACE"], drop: [ALL]}
          env:
            - name: DB_PASSWORD
              value: correcthorse
            - name: DB_TOKEN
              valueFrom: {secretKeyRef: {name: db, key: token}}
        - name: sound
          image: shop:1.2.3
          resources: {limits: {memory: 1Gi}}
          securityContext: {runAsNonRoot: true, allowPrivilegeEscalation: false, privileged: false}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
rules:
  - {apiGroups: ["*"], resources: ["*"], verbs: ["*"]}
  - {apiGroups: ["*"], resources: ["pods"], verbs: ["*"]}
---
kind: ClusterRoleBinding
apiVersion: rbac.authorization.k8s.io/v1
roleRef:
  kind: ClusterRole
  name: cluster-admin
"""


def test_manifests() -> None:
    assert told(kubernetes.check, MANIFEST) == [
        (6, "host-namespace"),
        (7, "root-user"),
        (9, "host-path"),
        (11, "runtime-socket"),
        (14, "no-limits"),
        (15, "unpinned-image"),
        (17, "privileged"),
        (18, "privilege-escalation"),
        (19, "capability"),
        (22, "credential"),
        (33, "all-rights"),
        (40, "cluster-admin"),
    ]
    listed = "apiVersion: v1\nkind: List\nitems:\n- kind: Pod\n  spec: {hostPID: yes}\n"
    assert told(kubernetes.check, listed) == [(5, "host-namespace")]


@pytest.mark.parametrize(
    "text", ["a: [", "[" * 5000, "- " * 5000, "a: !!python/object:os.system [x]\n b", "x\n" * 10 + "\t:"]
)
def test_what_is_no_yaml_is_said(text: str) -> None:
    with pytest.raises(FileError):
        documents(text)


def test_a_file_that_unfolds_without_end_does_not() -> None:
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 40))
    same = "e: &e\n" + "".join(f"  P{n}_TOKEN: correcthorse\n" for n in range(500))
    services = "".join(f"  s{n}: {{environment: *e}}\n" for n in range(500))
    assert documents(bomb)
    assert len(compose.check(f"{bomb}{same}services:\n{services}")) == 500


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DB_PASSWORD", "correcthorse", True),
        ("token", "abc123def", True),
        ("PASSWORD", "${X}", False),
        ("PASSWORD", "changeme", False),
        ("PASSWORD", "", False),
        ("TOKEN_URL", "correcthorse", False),
        ("TOKENIZER", "correcthorse", False),
        ("PASSWORD", "/run/secrets/x", False),
    ],
)
def test_what_a_credential_looks_like(name: str, value: str, *, expected: bool) -> None:
    assert is_credential(name, value) is expected
