"""The sandbox's process: found, started once, stopped, killed, out of disk, without its extra, without an engine."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from botocore.exceptions import ClientError

from deployer.sandbox import process

from .house import House, project, until


def test_a_second_start_finds_the_first(house: House) -> None:
    first = house.deployer("sandbox", "up").ended(0)
    assert "the sandbox runs: http://127.0.0.1:" in first.out
    address = house.address
    assert "runs already" in house.deployer("sandbox", "up").ended(0).out
    assert house.address == address
    assert house.status["pid"] == address.pid


def test_starts_at_the_same_time_make_one(house: House) -> None:
    with ThreadPoolExecutor(3) as pool:
        runs = list(pool.map(lambda _: house.deployer("sandbox", "up").ended(0), range(3)))
    assert len({run.out.split("(process ")[1] for run in runs}) == 1


def test_status_says_when_it_is_not_running(house: House) -> None:
    assert "not running" in house.deployer("sandbox", "status").ended(4).err
    assert house.deployer("sandbox", "status", "--json").ended(4).json == {"running": False}
    assert "was not running" in house.deployer("sandbox", "down").ended(0).out


def test_what_it_holds_outlives_it_until_it_is_wiped(house: House) -> None:
    house.deployer("sandbox", "up").ended(0)
    house.client("secretsmanager").create_secret(Name="kept", SecretString="of old")
    house.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps({"Statement": [{"a": "b"}]}))
    url = house.address.url
    house.deployer("sandbox", "down").ended(0)
    assert process.running(house.folder) is None
    house.deployer("sandbox", "up").ended(0)
    assert house.address.url == url
    assert house.client("secretsmanager").get_secret_value(SecretId="kept")["SecretString"] == "of old"
    assert [one["RoleName"] for one in house.client("iam").list_roles()["Roles"]] == ["r"]
    house.deployer("sandbox", "down", "--wipe").ended(0)
    house.deployer("sandbox", "up").ended(0)
    assert house.client("secretsmanager").list_secrets()["SecretList"] == []


def test_killed_it_remembers_what_was_a_moment_old(house: House) -> None:
    house.deployer("sandbox", "up").ended(0)
    house.client("secretsmanager").create_secret(Name="kept", SecretString="of old")
    until(lambda: (house.folder / "state.pickle").exists(), 5, "it saves by itself")
    house.kill()
    house.deployer("sandbox", "up").ended(0)
    assert house.client("secretsmanager").get_secret_value(SecretId="kept")["SecretString"] == "of old"


def test_awss_manners_are_on_when_they_are_asked_for(house: House) -> None:
    house.deployer("sandbox", "up", env={process.MANNERS: "unseen=600"}).ended(0)
    ec2 = house.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    with pytest.raises(ClientError, match=r"InvalidVpcID.NotFound"):
        ec2.describe_vpcs(VpcIds=[vpc])
    house.deployer("sandbox", "down").ended(0)
    house.deployer("sandbox", "up").ended(0)
    assert house.client("ec2").describe_vpcs(VpcIds=[vpc])["Vpcs"]


def test_a_stale_pid_is_no_obstacle_and_nobody_is_killed_for_it(house: House) -> None:
    with subprocess.Popen(["sleep", "60"]) as bystander:
        stale = {"url": "http://127.0.0.1:9", "pid": bystander.pid, "key": "x"}
        (house.folder / "address.json").write_text(json.dumps(stale))
        (house.folder / "lock").touch()
        assert house.deployer("sandbox", "status", "--json").ended(4).json == {"running": False}
        house.deployer("sandbox", "down").ended(0)
        assert bystander.poll() is None
        house.deployer("sandbox", "up").ended(0)
        assert house.address.pid != bystander.pid
        bystander.kill()


def test_its_port_taken_meanwhile_is_no_obstacle(house: House) -> None:
    house.deployer("sandbox", "up").ended(0)
    port = int(house.address.url.rpartition(":")[2])
    house.deployer("sandbox", "down").ended(0)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        house.deployer("sandbox", "up").ended(0)
        assert not house.address.url.endswith(f":{port}")


def test_only_who_has_its_key_gets_in(house: House) -> None:
    import boto3
    from botocore.exceptions import ClientError

    house.deployer("sandbox", "up").ended(0)
    stranger = boto3.client("sts", endpoint_url=house.address.url, region_name="us-east-1",
                            aws_access_key_id="SANDBOX0", aws_secret_access_key="x")  # fmt: skip
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        stranger.get_caller_identity()
    assert house.client("sts").get_caller_identity()["Account"] == "0" * 12
    for name in ("key", "address.json", "lock"):
        assert (house.folder / name).stat().st_mode & 0o077 == 0, name
    house.deployer("sandbox", "down").ended(0)
    assert (house.folder / "state.pickle").stat().st_mode & 0o077 == 0


def test_it_listens_on_loopback_only(house: House) -> None:
    house.deployer("sandbox", "up").ended(0)
    sockets = house.listening()
    assert len(sockets) >= 2, "the endpoint and the registry"
    assert {one.laddr.ip for one in sockets} == {"127.0.0.1"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MiB."""
    place = tmp_path / "d"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system takes root")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
def cramped(small_disk: Path) -> Iterator[House]:
    house = House()
    shutil.rmtree(house.folder)
    house.folder = small_disk / "sb"
    yield house
    house.close()


def test_a_full_disk_is_said_and_nothing_is_lost_that_was_saved(cramped: House, small_disk: Path) -> None:
    house = cramped
    house.deployer("sandbox", "up").ended(0)
    house.client("secretsmanager").create_secret(Name="kept", SecretString="of old")
    until(lambda: (house.folder / "state.pickle").exists(), 5)
    before = (house.folder / "state.pickle").read_bytes()
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    house.client("secretsmanager").create_secret(Name="new", SecretString="y" * 60_000)
    until(lambda: "could not be saved: No space left" in house.status["problem"], 10)
    assert (house.folder / "state.pickle").read_bytes() == before
    assert "could not be saved" in house.deployer("sandbox", "status").ended(0).out
    filler.unlink()
    house.client("secretsmanager").create_secret(Name="newer", SecretString="z")
    until(lambda: not house.status["problem"], 10)


def test_a_folder_that_cannot_be_made_is_one_line(house: House) -> None:
    run = house.deployer("sandbox", "up", env={"DEPLOYER_SANDBOX": "/proc/none/sb"}).ended(1)
    assert "/proc/none/sb" in run.err and "DEPLOYER_SANDBOX" in run.err


def test_what_cannot_be_read_is_put_aside(house: House) -> None:
    (house.folder / "state.pickle").write_bytes(b"\x80\x05nonsense")
    house.deployer("sandbox", "up").ended(0)
    assert (house.folder / "state.unusable").exists()
    assert "put aside" in house.log


def test_without_its_extra_it_says_how_to_get_it(house: House) -> None:
    hide = "import sys; sys.modules['aiohttp'] = None; import importlib.util as u; f = u.find_spec; " \
        "u.find_spec = lambda name, *a: None if name == 'aiohttp' else f(name, *a); " \
        "sys.argv = ['deployer', 'sandbox', 'up']; from deployer.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", hide], env=house.env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "aiohttp" in done.stderr and "pip install 'deployer[sandbox]'" in done.stderr


def test_without_an_engine_all_but_the_containers_works(tmp_path: Path) -> None:
    house = House(DOCKER_HOST="unix:///nowhere/docker.sock")
    try:
        app = project(tmp_path / "app", "noengine")
        run = house.deployer("up", "--sandbox", "-y", cwd=app).ended(0)
        line = next(line for line in run.err.splitlines() if line.startswith("The services are registered"))
        assert "not running" in line and "docs.docker.com/engine/install" in line
        status = house.deployer("status", "--sandbox", cwd=app).ended(0)
        assert "not healthy" in status.out and "0/1 running" in status.out
        until(lambda: "registered and not running" in house.deployer("status", "--sandbox", cwd=app).out, 10)
        again = house.deployer("up", "--sandbox", "-y", cwd=app).ended(0)
        assert "0 created" not in again.out and "created" not in again.out, again.out
        assert "not running" in again.err
        house.deployer("down", "--sandbox", "-y", cwd=app).ended(0)
    finally:
        house.close()


def test_ctrl_c_in_the_terminal_that_started_it_leaves_it_alone(house: House) -> None:
    house.deployer("sandbox", "up").ended(0)
    pid = house.address.pid
    assert os.getsid(pid) == pid and os.getpgid(pid) == pid
    assert psutil.Process(pid).ppid() != os.getpid()
    os.kill(pid, signal.SIGTERM)
    until(lambda: process.running(house.folder) is None, 10)


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    place = tmp_path / "mine"
    place.mkdir()
    (place / "log").write_text("mine")
    (place / "letter").write_text("dear")
    house = House(DEPLOYER_SANDBOX=str(place))
    assert "holds other files" in house.deployer("sandbox", "up").ended(2).err
    house.deployer("sandbox", "down", "--wipe").ended(0)
    assert {file.name: file.read_text() for file in place.iterdir()} == {"log": "mine", "letter": "dear"}


def test_without_docker_down_says_what_it_could_not_see_to(house: House) -> None:
    house.deployer("sandbox", "up").ended(0)
    owner = house.owner
    away = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
    run = house.deployer("sandbox", "down", "--wipe", "--json", env=away).ended(0)
    assert run.json == {"ran": True, "swept": False, "wiped": True} and "may be left" in run.err
    assert house.owner == owner, "by which the next one finds what is left"
    assert house.deployer("sandbox", "down", "--wipe", "--json").ended(0).json["swept"]
    assert not house.folder.exists()
