from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from assistant.personas.files import MAX_BYTES, PersonaFileError
from assistant.personas.library import SHIPPED_DIR, PersonaExistsError, PersonaLibrary, UnknownPersonaError
from assistant.personas.persona import Persona
from assistant.sampling import Sampling

ADA = 'name = "ada"\ntitle = "Ada"\n# who she is\ninstruction = "Speak as Ada Lovelace."\n'


@pytest.fixture
def library(tmp_path: Path) -> PersonaLibrary:
    return PersonaLibrary(tmp_path / "personas")


def put(library: PersonaLibrary, name: str, content: str | bytes) -> Path:
    library.user_dir.mkdir(exist_ok=True)
    path = library.user_dir / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def messages(library: PersonaLibrary) -> list[str]:
    return [f"{problem.field}: {problem.message}" for problem in library.problems]


def test_every_shipped_persona_is_usable(library: PersonaLibrary) -> None:
    assert library.problems == []
    assert len(library.all()) == len(list(SHIPPED_DIR.glob("*.toml"))) >= 12
    assert all(library.path(persona.name).stem == persona.name for persona in library.all())


def test_shipped_personas_keep_their_own_checks_when_they_greet_and_refuse(library: PersonaLibrary) -> None:
    for persona in library.all():
        name = persona.name
        assert persona.checks, name
        assert all(check.passes(text) for check in persona.checks for text in (persona.greeting, persona.refusal)), name


def test_a_file_of_the_user_comes_before_a_shipped_one(library: PersonaLibrary) -> None:
    put(library, "mine.yaml", "name: pirate\ntitle: Mine\ninstruction: |\n  Say ahoy.\n  Twice.\n")
    assert library.get("pirate").instruction == "Say ahoy.\nTwice.\n"
    assert [persona.name for persona in library.all()].count("pirate") == 1


def test_an_edit_shows_without_a_restart(library: PersonaLibrary) -> None:
    path = put(library, "ada.toml", ADA)
    assert library.get("ada").title == "Ada"
    path.write_text(ADA.replace('"Ada"', '"Lady Ada"'))
    assert library.get("ada").title == "Lady Ada"
    path.unlink()
    with pytest.raises(UnknownPersonaError):
        library.get("ada")


def test_an_unknown_name_names_the_nearest_and_how_to_list(library: PersonaLibrary) -> None:
    with pytest.raises(UnknownPersonaError, match=r"'profesor'; did you mean 'professor'\?.*personas list"):
        library.get("profesor")


def test_a_broken_name_says_why_it_is_not_there(library: PersonaLibrary) -> None:
    put(library, "ada.toml", 'name = "ada"\ntitle = "Ada"\n')
    with pytest.raises(UnknownPersonaError, match=r"ada\.toml: instruction: is missing"):
        library.get("ada")


@pytest.mark.parametrize(
    ("name", "content", "field", "words"),
    [
        ("a.toml", 'title = "A"\ninstruction = "x"', "name", "is missing; add a line like"),
        ("a.toml", 'name = "Dr Ada"\ntitle = "A"\ninstruction = "x"', "name", "lowercase letters"),
        ("a.toml", ADA + 'titel = "B"', "titel", "did you mean title?"),
        ("a.toml", ADA + "zzz = 1", "zzz", "known are name, title"),
        ("a.toml", ADA + "[sampling]\ntemprature = 1", "sampling.temprature", "did you mean temperature?"),
        (
            "a.toml",
            ADA + "[sampling]\ntemperature = 3.5",
            "sampling.temperature",
            "is 3.5; use a number of at most 2",
        ),
        ("a.toml", ADA + "sampling = 3", "sampling", "must be a table of settings"),
        ("a.toml", ADA + 'persistence = "always"', "persistence", "use 'pin' or 'remind'"),
        ("a.toml", ADA + 'tags = "x"', "tags", "must be a list"),
        ("a.toml", ADA + "greeting = 3", "greeting", "must be text in quotes, not a number (3)"),
        ("a.toml", ADA.replace("Speak as Ada Lovelace.", "  "), "instruction", "is blank"),
        (
            "a.toml",
            ADA + f'greeting = "{"x" * 4001}"',
            "greeting",
            "4001 characters long; shorten it to at most 4000",
        ),
        ("a.toml", ADA + "extensions = '[1]'", "extensions", "must be a table"),
        ("a.toml", ADA + "extensions = '{'", "extensions", "is not JSON data"),
        ("a.toml", ADA + "[extensions]\na = nan", "extensions", "is not JSON data"),
        ("a.toml", 'name = "a"\ntitle = \n', "", "not valid TOML: Invalid value (at line 2"),
        ("a.toml", ADA + "x = " + "[" * 5000, "", "nested too deep"),
        ("a.yaml", "name: a\ntitle: [\n", "", "is not valid YAML"),
        ("a.yaml", "name: a\n  title: b\n", "", "(at line 2, column"),
        ("a.yml", "a: &x [1]\nb: *x\n", "", "an alias (*name) is not allowed"),
        ("a.yaml", "[" * 5000, "", "nested too deep"),
        ("a.yaml", "- just\n- a list\n", "", "holds no fields"),
        ("a.yaml", "", "", "holds no fields"),
        ("a.yaml", "x: \x07\n", "", "is not valid YAML"),
        ("a.toml", b"name = '\xff\xfe'", "", "is not UTF-8 text (line 1); save it as UTF-8"),
        ("a.toml", "x\0y", "", "is a binary file"),
        ("a.toml", b"#" * (MAX_BYTES + 1), "", "is larger than 4000 kB"),
    ],
)
def test_a_broken_file_names_the_field_and_the_fix(
    library: PersonaLibrary, name: str, content: str | bytes, field: str, words: str
) -> None:
    path = put(library, name, content)
    put(library, "zed.toml", ADA.replace("ada", "zed"))
    assert [problem.file for problem in library.problems] == [path]
    assert library.problems[0].field == field
    assert words in library.problems[0].message
    assert library.get("zed").title == "Ada"


def test_every_fault_of_a_file_is_named_at_once(library: PersonaLibrary) -> None:
    put(library, "a.toml", 'name = "A"\n[sampling]\ntop_p = 0\nmax_tokens = "many"\n')
    assert {problem.field for problem in library.problems} == {
        "name", "title", "instruction", "sampling.top_p", "sampling.max_tokens",
    }  # fmt: skip


def test_a_folder_and_a_dead_link_named_like_a_persona_are_problems(library: PersonaLibrary) -> None:
    library.user_dir.mkdir()
    (library.user_dir / "a.toml").mkdir()
    (library.user_dir / "b.toml").symlink_to("/nowhere")
    assert "is a folder" in messages(library)[0]
    assert "cannot be read (No such file" in messages(library)[1]
    assert len(library.all()) >= 12


def test_a_user_folder_that_is_a_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "personas").write_text("")
    library = PersonaLibrary(tmp_path / "personas")
    assert "must be a folder" in messages(library)[0]
    with pytest.raises(PersonaFileError, match="cannot be written"):
        library.save(library.get("pirate"))


def test_two_files_of_one_name_keep_the_first_and_say_so(library: PersonaLibrary) -> None:
    put(library, "a.toml", ADA)
    put(library, "b.toml", ADA.replace('"Ada"', '"Other"'))
    assert library.get("ada").title == "Ada"
    assert messages(library) == ["name: is 'ada', as in a.toml; change one of the two"]


def test_add_copies_the_file_as_it_is(library: PersonaLibrary, tmp_path: Path) -> None:
    source = tmp_path / "Some File.TOML"
    source.write_text(ADA)
    assert library.add(source).name == "ada"
    assert library.path("ada") == library.user_dir / "ada.toml"
    assert library.path("ada").read_text() == ADA
    assert list(library.user_dir.iterdir()) == [library.path("ada")]


def test_add_refuses_to_overwrite_unless_asked(library: PersonaLibrary, tmp_path: Path) -> None:
    source = tmp_path / "new.yaml"
    source.write_text("{name: ada, title: New, instruction: x}")
    put(library, "ada.toml", ADA)
    with pytest.raises(PersonaExistsError, match=r"'ada' exists in .*--replace"):
        library.add(source)
    assert library.get("ada").title == "Ada"
    assert library.add(source, replace=True) == library.get("ada")
    assert sorted(path.name for path in library.user_dir.iterdir()) == ["ada.toml.bak", "ada.yaml"]
    source.write_text("{name: pirate, title: New, instruction: x}")
    with pytest.raises(PersonaExistsError, match="is a shipped persona"):
        library.add(source)
    assert library.add(source, replace=True) == library.get("pirate")
    assert (SHIPPED_DIR / "pirate.toml").is_file()


def test_add_leaves_nothing_behind_for_a_broken_file(library: PersonaLibrary, tmp_path: Path) -> None:
    for name, content in [("a.toml", "name = 3"), ("a.exe", "x"), ("a", "x")]:
        (tmp_path / name).write_text(content)
        with pytest.raises(PersonaFileError):
            library.add(tmp_path / name)
    with pytest.raises(PersonaFileError, match="No such file"):
        library.add(tmp_path / "missing.toml")
    assert not library.user_dir.exists()


def test_another_persona_in_the_file_of_that_name_is_not_overwritten(library: PersonaLibrary) -> None:
    put(library, "bob.toml", ADA)
    with pytest.raises(PersonaExistsError, match=r"holds the persona 'ada'; rename that file to ada\.toml"):
        library.save(Persona(name="bob", title="Bob", instruction="x"))
    assert library.get("ada").title == "Ada"


def test_save_keeps_comments_and_what_did_not_change(library: PersonaLibrary) -> None:
    path = put(library, "mine.toml", ADA + "[sampling]\ntop_k = 0 # all\n")
    persona = library.get("ada").model_copy(
        update={"instruction": 'Line "one".\n\\ two', "tags": ("x",), "sampling": Sampling(temperature=0)}
    )
    assert library.save(persona) == path
    assert "# who she is" in path.read_text()
    assert "top_k = 0 # all" in path.read_text()
    assert library.get("ada") == persona


def test_save_copies_a_shipped_persona_and_a_yaml_one_to_toml(library: PersonaLibrary) -> None:
    edited = library.get("pirate").model_copy(update={"title": "Edited"})
    assert library.save(edited) == library.user_dir / "pirate.toml"
    put(library, "ada.yaml", "{name: ada, title: A, instruction: x}")
    library.save(library.get("ada"))
    assert library.path("ada").name == "ada.toml"
    assert library.problems == []


def test_loading_is_quick_and_does_not_import_torch(library: PersonaLibrary) -> None:
    started = time.perf_counter()
    library.all()
    first = time.perf_counter() - started
    assert first < 0.06 * 5  # room for a busy machine; 5 ms when measured
    code = "import sys; from assistant.personas.library import PersonaLibrary; PersonaLibrary().all()"
    heavy = "print([name for name in ('torch', 'transformers', 'sqlalchemy') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", f"{code}; {heavy}"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
