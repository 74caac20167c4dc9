"""The voting app in the sandbox, from the command to the page: as a person with a browser meets it."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
import redis
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.whole.project import Run

from .house import House, get, until, url_of, voting

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]


@dataclass
class Deployed:
    house: House
    folder: Path
    first: Run

    @property
    def url(self) -> str:
        return url_of(self.first)

    def up(self, *args: str) -> Run:
        return self.house.deployer("up", "--sandbox", "-y", *args, cwd=self.folder)

    @property
    def state(self) -> Path:
        return self.folder / ".deployer" / "voting.sandbox.json"

    def password(self) -> str:
        secrets = self.house.client("secretsmanager")
        name = secrets.list_secrets()["SecretList"][0]["Name"]
        return str(secrets.get_secret_value(SecretId=name)["SecretString"])


@pytest.fixture(scope="module")
def app(shared: House, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    folder = voting(tmp_path_factory.mktemp("v") / "voting")
    return Deployed(shared, folder, shared.deployer("up", "--sandbox", "-y", cwd=folder).ended(0))


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "disable-background-networking",
                 "disable-component-update", "disable-sync", "no-first-run", "disable-default-apps", "no-proxy-server",
                 f"user-data-dir={tmp_path / 'profile'}"):  # fmt: skip
        options.add_argument(f"--{flag}")
    options.binary_location = "/usr/bin/chromium"
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    driver.set_page_load_timeout(20)
    yield driver
    driver.quit()


def tally(browser: webdriver.Chrome) -> int:
    """Of the first option."""
    return int(browser.find_element(By.CSS_SELECTOR, ".tally b[id^=votes-]").text)


def test_one_opens_the_page_votes_and_the_tally_outlives_a_new_web(app: Deployed, browser: webdriver.Chrome) -> None:
    browser.get(app.url)
    before = tally(browser)
    for count in (1, 2):
        browser.find_element(By.CSS_SELECTOR, ".choices button").click()
        WebDriverWait(browser, 10).until(lambda page, count=count: tally(page) == before + count)
    page = app.folder / "app" / "templates" / "base.html"
    page.write_text(page.read_text().replace("</title>", " anew</title>"))
    app.up().ended(0)
    browser.get(app.url)
    assert browser.title.endswith(" anew")
    assert tally(browser) == before + 2


def test_the_page_fits_a_desk_and_a_phone(app: Deployed, browser: webdriver.Chrome, tmp_path: Path) -> None:
    for name, width, height in (("desk", 1280, 800), ("phone", 390, 844)):
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": name == "phone"}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get(app.url)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width, name
        for button in browser.find_elements(By.TAG_NAME, "button"):
            box = button.rect
            assert box["x"] >= 0 and box["x"] + box["width"] <= width and box["height"] >= 24, (name, button.text, box)
        browser.save_screenshot(str(tmp_path / f"{name}.png"))
        assert (tmp_path / f"{name}.png").stat().st_size > 5000


def test_a_second_up_does_nothing(app: Deployed) -> None:
    before = [one.id for one in app.house.containers()]
    run = app.up().ended(0)
    assert "nothing to do, 42 resources are as they should be" in run.out
    assert [one.id for one in app.house.containers()] == before


def test_redis_wants_the_password_and_nobody_else_has_it(app: Deployed) -> None:
    password = app.password()
    status = app.house.status
    port = next(one["bound"] for one in status["load_balancers"] if one["protocol"] == "TCP")
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=port).ping()
    assert redis.Redis(port=port, password=password).ping()
    client = docker.from_env()
    knows = {"redis", "web"}  # by their secret
    for one in client.containers.list(all=True, ignore_removed=True):
        inside = password in json.dumps(client.api.inspect_container(one.id))
        assert inside == (one.labels.get("deployer.sandbox.container") in knows
                          and one.labels.get("deployer.sandbox") == app.house.owner), one.name  # fmt: skip
    written = [file for file in app.folder.rglob("*") if file.is_file()]
    assert app.state in written
    assert not [file for file in [*written, app.house.folder / "log"] if password.encode() in file.read_bytes()]
    logs = app.house.client("logs")
    for group in logs.describe_log_groups()["logGroups"]:
        events = logs.filter_log_events(logGroupName=group["logGroupName"])["events"]
        assert not any(password in event["message"] for event in events)
    listed = subprocess.run(["ps", "axww"], capture_output=True, text=True, check=True).stdout
    assert "requirepass" not in listed or password not in app.first.text


def test_what_containers_say_is_in_the_log_group(app: Deployed) -> None:
    logs = app.house.client("logs")
    groups = [one["logGroupName"] for one in logs.describe_log_groups()["logGroups"]]
    group = next(one for one in groups if one.endswith("/redis"))
    said = logs.filter_log_events(logGroupName=group)["events"]
    assert any("Ready to accept connections" in event["message"] for event in said), said
    assert re.fullmatch(r"task/redis/[0-9a-f]{32}", said[0]["logStreamName"])


def test_ecr_shows_what_was_pushed_with_its_true_digest(app: Deployed) -> None:
    ecr = app.house.client("ecr")
    name = ecr.describe_repositories()["repositories"][0]["repositoryName"]
    told = {one["imageDigest"] for one in ecr.describe_images(repositoryName=name)["imageDetails"]}
    (web,) = [one for one in app.house.containers() if one.labels["deployer.sandbox.container"] == "web"]
    running = {one.rpartition("@")[2] for one in web.image.attrs["RepoDigests"]}
    assert told & running


class Load(threading.Thread):
    """20 requests a second until told to stop. `codes`: what came of them."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url, self.over, self.answers = url, threading.Event(), list[tuple[int, str]]()

    def run(self) -> None:
        threads: list[threading.Thread] = []
        while not self.over.wait(0.05):
            threads.append(threading.Thread(target=lambda: self.answers.append(get(self.url)), daemon=True))
            threads[-1].start()
        for thread in threads:
            thread.join(15)


def test_a_rolling_update_drops_nothing_and_is_quick(app: Deployed) -> None:
    load = Load(app.url)
    load.start()
    page = app.folder / "app" / "templates" / "base.html"
    page.write_text(page.read_text().replace("</title>", " rolled</title>"))
    began = time.monotonic()
    run = app.up()
    took = time.monotonic() - began
    assert " rolled</title>" in get(app.url)[1]
    time.sleep(1)
    load.over.set()
    load.join(20)
    run.ended(0)
    codes = [code for code, _ in load.answers]
    assert len(codes) > 40 and set(codes) == {200}, (len(codes), sorted(set(codes)))
    assert any(" rolled</title>" not in text for _, text in load.answers), "it began on the old page"
    assert took < 60  # ten seconds on a quiet machine: benchmarks/sandbox.py


def test_a_broken_image_never_stops_the_page_and_is_explained(app: Deployed) -> None:
    code = app.folder / "app" / "voting.py"
    good = code.read_text()
    code.write_text(good + '\nos.environ["DATABASE_URL"]\n')
    load = Load(app.url)
    load.start()
    began = time.monotonic()
    run = app.house.deployer("up", "--sandbox", "-y", cwd=app.folder, quotes=True)
    took = time.monotonic() - began
    load.over.set()
    load.join(20)
    run.ended(1)
    assert took < 60 and {code for code, _ in load.answers} == {200}
    assert "web misses an environment variable: DATABASE_URL" in run.text and "still serves" in run.text
    (serving,) = re.findall(r"failed; (voting-web:\d+)", run.text)
    status = app.house.deployer("status", "--sandbox", cwd=app.folder, quotes=True).ended(0)
    assert serving in status.out and "DATABASE_URL" in status.out and "not healthy" in status.out
    code.write_text(good)
    app.up().ended(0)
    assert "  healthy" in app.house.deployer("status", "--sandbox", cwd=app.folder).out
    assert get(app.url)[0] == 200


def test_killed_the_sandbox_finds_its_containers_again(app: Deployed) -> None:
    before = sorted(one.id for one in app.house.containers())
    app.house.kill()
    assert sorted(one.id for one in app.house.containers()) == before, "they outlive it"
    app.house.deployer("sandbox", "up").ended(0)
    until(lambda: get(app.url)[0] == 200, 20)
    time.sleep(1)
    assert sorted(one.id for one in app.house.containers()) == before
    assert "nothing to do" in app.up().ended(0).out


def test_stopped_and_started_it_serves_the_stack_again(app: Deployed) -> None:
    app.house.deployer("sandbox", "down").ended(0)
    assert app.house.left() == {}
    app.house.deployer("sandbox", "up").ended(0)
    until(lambda: get(app.url)[0] == 200, 60)
    assert "nothing to do" in app.up().ended(0).out


def test_zz_down_leaves_nothing_of_the_stack(app: Deployed) -> None:
    app.house.deployer("down", "--sandbox", "-y", cwd=app.folder).ended(0)
    assert app.house.left() == {}
    address = app.house.status["registry"]
    tags = [tag for image in docker.from_env().images.list() for tag in image.tags]
    assert not [tag for tag in tags if tag.startswith(f"{address}/")]
    assert leftovers(app.house) == {}


def leftovers(house: House) -> dict[str, Any]:
    """What the account still holds."""
    ec2, ecs, elb = (house.client(name) for name in ("ec2", "ecs", "elbv2"))
    found = {
        "vpcs": [one for one in ec2.describe_vpcs()["Vpcs"] if not one["IsDefault"]],
        "clusters": ecs.list_clusters()["clusterArns"],
        "balancers": elb.describe_load_balancers()["LoadBalancers"],
        "repositories": house.client("ecr").describe_repositories()["repositories"],
    }
    return {name: items for name, items in found.items() if items}
