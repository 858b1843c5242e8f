"""The languages whose definitions are found by their grammar, and what of a tree counts there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final

RULES: Final = "1"
"""Of what is taken from a tree: other rules make every outline new."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """Kinds of nodes by their names in the grammar, separated by spaces."""

    name: str
    package: str
    endings: str
    definitions: str
    comments: str = "comment"
    """Belong to the definition right below: attributes that stand before it, too."""
    wrappers: str = ""
    """Stand around a definition and count as it: decorators, `export`, `template`."""
    holders: str = ""
    """Are a definition where their value is a function."""
    constants: str = ""
    """At the top of a file, where they are long."""


_C_TYPES: Final = "struct_specifier union_specifier enum_specifier"
_JS: Final = "function_declaration generator_function_declaration class_declaration method_definition"
_JS_HOLDERS: Final = "lexical_declaration variable_declaration expression_statement pair field_definition"
_TS: Final = (
    f"{_JS} abstract_class_declaration interface_declaration type_alias_declaration enum_declaration internal_module"
    " module function_signature"
)
_TYPES: Final = "class_declaration interface_declaration enum_declaration record_declaration method_declaration"

GRAMMARS: Final = (
    Grammar("bash", "tree-sitter-bash", "sh bash", "function_definition"),
    Grammar(
        name="c",
        package="tree-sitter-c",
        endings="c",
        definitions=f"function_definition {_C_TYPES} type_definition preproc_function_def",
        constants="declaration",
    ),
    Grammar(
        name="cpp",
        package="tree-sitter-cpp",
        endings="h cc cpp hpp cxx",
        definitions=(
            f"function_definition {_C_TYPES} class_specifier type_definition preproc_function_def namespace_definition"
            " concept_definition alias_declaration"
        ),
        wrappers="template_declaration",
        constants="declaration",
    ),
    Grammar(
        name="c_sharp",
        package="tree-sitter-c-sharp",
        endings="cs",
        definitions=(
            f"{_TYPES} namespace_declaration struct_declaration delegate_declaration constructor_declaration"
            " destructor_declaration operator_declaration conversion_operator_declaration indexer_declaration"
            " property_declaration local_function_statement"
        ),
    ),
    Grammar(
        name="go",
        package="tree-sitter-go",
        endings="go",
        definitions="function_declaration method_declaration type_declaration",
        constants="const_declaration var_declaration",
    ),
    Grammar(
        name="java",
        package="tree-sitter-java",
        endings="java",
        definitions=(
            f"{_TYPES} annotation_type_declaration constructor_declaration compact_constructor_declaration"
            " static_initializer"
        ),
        comments="line_comment block_comment",
    ),
    Grammar(
        name="javascript",
        package="tree-sitter-javascript",
        endings="js jsx mjs cjs",
        definitions=_JS,
        wrappers="export_statement",
        holders=_JS_HOLDERS,
        constants="lexical_declaration variable_declaration",
    ),
    Grammar(
        name="php",
        package="tree-sitter-php",
        endings="php",
        definitions=(
            "function_definition class_declaration interface_declaration trait_declaration enum_declaration"
            " method_declaration namespace_definition"
        ),
        constants="const_declaration",
    ),
    Grammar(
        name="python",
        package="tree-sitter-python",
        endings="py pyi",
        definitions="function_definition class_definition type_alias_statement",
        wrappers="decorated_definition",
        constants="expression_statement",
    ),
    Grammar(
        name="ruby",
        package="tree-sitter-ruby",
        endings="rb",
        definitions="class module method singleton_method singleton_class",
        constants="assignment",
    ),
    Grammar(
        name="rust",
        package="tree-sitter-rust",
        endings="rs",
        definitions=(
            "function_item struct_item enum_item union_item trait_item impl_item mod_item type_item macro_definition"
            " foreign_mod_item"
        ),
        comments="line_comment block_comment attribute_item",
        constants="const_item static_item",
    ),
    Grammar(
        name="tsx",
        package="tree-sitter-typescript",
        endings="tsx",
        definitions=_TS,
        wrappers="export_statement ambient_declaration",
        holders=f"{_JS_HOLDERS} public_field_definition",
        constants="lexical_declaration variable_declaration",
    ),
    Grammar(
        name="typescript",
        package="tree-sitter-typescript",
        endings="ts",
        definitions=_TS,
        wrappers="export_statement ambient_declaration",
        holders=f"{_JS_HOLDERS} public_field_definition",
        constants="lexical_declaration variable_declaration",
    ),
)
_BY_ENDING: Final = {ending: number for number, one in enumerate(GRAMMARS) for ending in one.endings.split()}


def missing() -> list[str]:
    """Packages of grammars, and tree-sitter itself, that are not installed; sorted."""
    return sorted(package for package in ("tree-sitter", *(one.package for one in GRAMMARS)) if not _version(package))


def grammar_of(ending: str) -> int | None:
    """The number of the grammar for files that end with `.ending`; None where there is none, or not all are there."""
    return None if _some_missing() else _BY_ENDING.get(ending)


def identity(number: int) -> str:
    """What an outline depends on beside the text: our rules, and the versions of parser and grammar."""
    package = GRAMMARS[number].package
    return f"{RULES} tree-sitter {_version('tree-sitter')} {GRAMMARS[number].name} {_version(package)}"


@cache
def _some_missing() -> bool:
    return bool(missing())


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
