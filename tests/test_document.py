"""YAML, its lines and limits; `${...}`; environments."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deployer.config import load
from deployer.errors import ConfigError
from deployer.text import Reference, Text, expand, words
from deployer.tree import DEPTH, NODES, Scalar, parse
from tests.yamlfile import WEB, config, errors, web, written


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path, None, {})
    assert caught.value.exit_code == 2
    return "\n".join(filter(None, (str(caught.value), caught.value.hint))).replace(str(path), "FILE")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "FILE: is empty"),
        ("# only a comment\n", "FILE: is empty"),
        ("~\n", "FILE: is empty"),
        ("- a\n- b\n", "FILE:1: must be a mapping"),
        ("\njust words\n", "FILE:2: must be a mapping"),
        ("name: x\nservices:\n\tweb: {}\n", "FILE:3: is not YAML: while scanning"),
        ("name: x\nservices:\n\tweb: {}\n", "indent with spaces, not tabs"),
        ("name: x\nservices: {web: [}\n", "FILE:2: is not YAML: "),
        ("name: x\nservices: *web\n", "FILE:2: is not YAML: found undefined alias"),
        ("name: x\nservices: \x01\n", "FILE:2: is not YAML: "),
        ("name: x\n---\nname: y\n", "FILE:2: a second document begins"),
        ("name: &a [*a]\n", "FILE:1: an alias contains itself"),
    ],
)
def test_what_is_no_yaml_mapping_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    assert said in refusal(written(tmp_path, text))


def test_a_missing_file_is_refused_with_a_way_on(tmp_path: Path) -> None:
    assert refusal(tmp_path / "deploy.yaml").startswith("FILE: there is no such file\n`deployer init`")


def test_a_directory_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == "FILE: is a directory, not a file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_refused_with_the_systems_words(tmp_path: Path) -> None:
    path = written(tmp_path, WEB)
    path.chmod(0)
    assert "cannot be read: Permission denied" in refusal(path)


def test_a_file_that_is_not_utf8_is_refused_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "deploy.yaml"
    path.write_bytes(b"name: voting\n# caf\xe9\n")
    assert refusal(path) == "FILE:2: is not UTF-8 text"


def test_a_byte_order_mark_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "deploy.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + WEB.encode())
    assert load(path, None, {}).config.name == "voting"


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "deploy.yaml"
    with path.open("wb") as stream:
        stream.truncate(50_000_000)
    assert refusal(path) == "FILE: is larger than 1 MiB"


def test_an_alias_bomb_is_counted_not_unfolded(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 25)]
    assert f"holds more than {NODES} values" in refusal(written(tmp_path, "\n".join(lines)))


def test_an_aliased_value_is_built_once(tmp_path: Path) -> None:
    root, _ = parse(written(tmp_path, "a: &a {x: [1, 2]}\nb: [*a, *a, *a]\n"))
    assert isinstance(root.value, dict)
    items = root.value["b"].value
    assert isinstance(items, list)
    assert items[0] is items[1] is items[2]
    assert (root.value["a"].size, root.value["b"].size) == (4, 13)


@pytest.mark.parametrize("text", ["[" * 500_000, "{a: " * 200_000, "".join(" " * n + "-\n" for n in range(1000))])
def test_deep_nesting_is_refused_before_anything_recurses(tmp_path: Path, text: str) -> None:
    assert f"is nested more than {DEPTH} deep" in refusal(written(tmp_path, text))


def test_deep_nesting_through_aliases_is_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 100)]
    assert f"is nested more than {DEPTH} deep" in refusal(written(tmp_path, "\n".join(lines)))


def test_a_key_written_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    said = errors(tmp_path, web("cpu: 256", "cpu: 512"))
    assert said == ["8: services.web.cpu: this key stands here twice, first on line 7"]


@pytest.mark.parametrize("key", ["8080", "yes", "1.5", "~", "2024-01-01"])
def test_a_key_that_is_not_text_is_refused(tmp_path: Path, key: str) -> None:
    said = errors(tmp_path, web(f"environment: {{{key}: x}}"))
    assert said == [f"7: services.web.environment.{key}: this key is not text; write it in quotes"]


def test_a_list_as_key_is_refused(tmp_path: Path) -> None:
    assert "this key is not text" in errors(tmp_path, web("? [a, b]", ": c"))[0]


@pytest.mark.parametrize("tag", ["!secret", "!!python/object:os.system", "!!binary", "!!set"])
def test_a_strange_tag_is_refused(tmp_path: Path, tag: str) -> None:
    assert f"7: services.web.user: the tag {tag} is not understood here" in errors(tmp_path, web(f"user: {tag} {{}}"))


def test_anchors_and_merge_keys_work_as_in_compose(tmp_path: Path) -> None:
    made = config(tmp_path, """
        name: voting
        services:
          a: &a {image: "a:1", port: 80, environment: &env {X: one, Y: two}}
          b: {<<: *a, port: 81, environment: {<<: [{Z: three}, *env], X: own}}
        """)
    b = made.services["b"]
    assert (b.image, b.port) == ("a:1", 81)
    assert {name: str(text) for name, text in b.environment.items()} == {"X": "own", "Y": "two", "Z": "three"}


def test_a_merge_key_takes_only_mappings(tmp_path: Path) -> None:
    assert errors(tmp_path, web("<<: 5")) == ["7: services.web.<<: << takes a mapping or a list of mappings"]


@pytest.mark.parametrize(
    ("text", "value"),
    [("22", 22), ("-1", -1), ("0", 0), ("22:22", "22:22"), ("0123", "0123"), ("0x10", "0x10"), ("1_000", "1_000"),
     ("1.10", "1.10"), ("2024-01-01", "2024-01-01"), ("yes", True), ("off", False), ("True", True), ("y", "y"),
     ("", None), ("~", None), ("null", None), ("9" * 5000, "9" * 5000)],
)  # fmt: skip
def test_a_plain_value_stands_for_little_but_itself(text: str, value: object) -> None:
    assert (Scalar(text).value, type(Scalar(text).value)) == (value, type(value))
    assert Scalar(text, plain=False).value == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"), ("", ""), ("$NAME stays", "$NAME stays"), ("100$", "100$"), ("a $$ b", "a $ b"),
        ("$${V}", "${V}"), ("}{", "}{"), ("${V}", "value"), ("<${V}${V}>", "<valuevalue>"), ("${EMPTY}", ""),
        ("${V:-other}", "value"), ("${NONE:-other}", "other"), ("${NONE-other}", "other"), ("${NONE:-}", ""),
        ("${EMPTY:-other}", "other"), ("${EMPTY-other}", ""), ("${NONE:-${V}}", "value"), ("${NONE:-a$$b}", "a$b"),
        ("${NONE:-${ALSO:-deep}}", "deep"), ("${V:?why}", "value"), ("${V?why}", "value"), ("${EMPTY?why}", ""),
        ("${TRICKY}", "${V} $$ ${services.a.host}"), ("${NONE:-{}}", "{}"),
    ],
)  # fmt: skip
def test_variables_are_filled_in_as_compose_does(text: str, value: str) -> None:
    environ = {"V": "value", "EMPTY": "", "TRICKY": "${V} $$ ${services.a.host}"}
    assert "".join(map(str, expand(text, environ)[0])) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("${NONE}", "the environment variable NONE is not set; set it, or write ${NONE:-default}"),
        ("${NONE:?ask Eve}", "the environment variable NONE is not set: ask Eve"),
        ("${EMPTY:?ask Eve}", "the environment variable EMPTY is empty: ask Eve"),
        ("${NONE?}", "the environment variable NONE is not set"),
        ("${V", "${ is not closed; write $${ for a literal ${"),
        ("${}", "${} is neither a variable nor a reference"),
        ("${1A}", "${1A} is neither"),
        ("${V:+x}", "${V:+x} is neither"),
        ("${services.redis}", "${services.redis} is neither"),
        ("${a.b.c}", "${a.b.c} is neither"),
        ("${A:-" * 5000 + "}" * 5000, "nested more than 10 deep"),
    ],
)
def test_what_cannot_be_filled_in_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    (problem,) = errors(tmp_path, web(f'user: "{text}"'), environ={"V": "value", "EMPTY": ""})
    assert problem.startswith("7: services.web.user: ")
    assert said in problem


def test_only_what_the_environment_supplied_is_hidden() -> None:
    assert [expand(text, {"V": "x"})[1] for text in ("a", "$$", "${N:-b}", "${V}", "${N:-${V}}")] == [
        False, False, False, True, True,
    ]  # fmt: skip


def test_a_plain_variable_is_typed_again(tmp_path: Path) -> None:
    lines = web("memory: ${M}", "read_only: ${FLAG}", "user: ${WHO}", "count: ${N:-2}", "entrypoint: ${NOTHING}")
    environ = {"M": "1024", "FLAG": "true", "WHO": "0123", "NOTHING": ""}
    service = config(tmp_path, lines, environ=environ).services["web"]
    assert (service.memory, service.read_only, service.user, service.count) == (1024, True, "0123", 2)
    assert service.entrypoint is None


def test_an_empty_variable_of_the_container_is_an_empty_text(tmp_path: Path) -> None:
    made = config(tmp_path, web("environment: {A: '${A}', B: ''}"), environ={"A": ""})
    assert made.services["web"].environment == {"A": Text(()), "B": Text(())}


def test_a_reference_is_a_part_of_its_text() -> None:
    parts, hidden = expand("tcp://${services.redis.host}:${services.redis.port}/${N:-0}", {})
    host, port = Reference("redis", "host"), Reference("redis", "port")
    assert (parts, hidden) == (("tcp://", host, ":", port, "/0"), False)
    assert not Text(parts).plain
    assert Text(("a",)).plain
    assert str(Text(parts)) == "tcp://${services.redis.host}:${services.redis.port}/0"


@pytest.mark.parametrize("line", ["image: 'a:${services.db.host}'", "user: '${services.db.host}'",
                                  "port: '${services.db.port}'", "secrets: {A: '${services.db.host}'}",
                                  "build: {args: {A: '${services.db.url}'}}"])  # fmt: skip
def test_references_are_refused_where_aws_cannot_fill_them_in(tmp_path: Path, line: str) -> None:
    text = f"name: voting\nservices:\n  web:\n    {line}\n"
    said = "references to services are possible only in environment, command, entrypoint and release"
    assert any(problem.startswith("4: services.web.") and said in problem for problem in errors(tmp_path, text))


def test_a_command_is_split_as_a_shell_does_and_keeps_its_references() -> None:
    parts, _ = expand("run --to ${services.db.host}:1 'two words' \"${services.db.url} x\"", {})
    url = Reference("db", "url")
    assert words(parts) == [
        Text(("run",)), Text(("--to",)), Text((Reference("db", "host"), ":1")), Text(("two words",)), Text((url, " x")),
    ]  # fmt: skip


def test_a_reference_under_a_misspelt_key_is_told_as_the_misspelling(tmp_path: Path) -> None:
    said = errors(tmp_path, WEB + '    enviroment: {A: "${services.web.host}"}\n')
    assert said == ['7: services.web.enviroment: is not a known key; did you mean "environment"?']
