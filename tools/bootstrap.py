"""Make ``.venv`` and put the locked packages into it: ``python3 tools/bootstrap.py run|dev``.

Runs on a bare Python before anything is installed, so that it uses the standard library only. Every
package is checked against the hashes of the lock. The installer ``uv`` does it within seconds; where
it cannot (an index it does not understand, a platform without its wheel), pip does the same slower.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed"
UV_FOLDER = VENV / "installer"
LOCKS = {"run": "requirements.lock", "dev": "requirements-dev.lock"}
INSTALLER_LOCK = "requirements-installer.lock"
#: What an operator may have told pip, and how uv calls it.
PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
    "trusted-host": "UV_INSECURE_HOST",
}


def main(kind: str) -> None:
    """Bring ``.venv`` to the state of the lock for ``kind``; do nothing where it is there already."""
    if sys.version_info < (3, 11):
        found = ".".join(str(part) for part in sys.version_info[:2])
        stop(f"Interchange needs Python 3.11 or newer; this is {found}. Install it and run make again.")
    done = STAMP.read_text().split() if STAMP.exists() and PYTHON.exists() else []
    if done[:1] == ["dev"]:
        kind = "dev"  # A venv with the test tools keeps them: it holds all that a run needs.
    wanted = [kind, fingerprint(kind)]
    if done == wanted:
        return
    make_venv()
    say(f"Installing the packages of {LOCKS[kind]} …")
    if not install_with_uv(LOCKS[kind]) and not install_with_pip(LOCKS[kind]):
        stop("The packages could not be installed; the lines above say why. Then run make again.")
    STAMP.write_text(" ".join(wanted))


def fingerprint(kind: str) -> str:
    """Return what changes when the lock or the Python does."""
    lock = (ROOT / LOCKS[kind]).read_bytes()
    return hashlib.sha256(lock + sys.version.encode()).hexdigest()


def make_venv() -> None:
    """Make the virtual environment, anew where it belongs to another Python."""
    same_python = f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    usable = PYTHON.exists() and quiet([str(PYTHON), "-c", same_python])
    if usable and (quiet(pip("--version")) or quiet([str(PYTHON), "-m", "ensurepip"])):
        return
    shutil.rmtree(VENV, ignore_errors=True)
    say("Making the virtual environment .venv …")
    made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True)  # nosec B603
    if made.returncode or not quiet(pip("--version")):
        shutil.rmtree(VENV, ignore_errors=True)
        stop(
            "This Python cannot make virtual environments (its venv or ensurepip module is missing). "
            "On Debian or Ubuntu: apt-get install python3-venv. Then run make again."
        )


def install_with_uv(lock: str) -> bool:
    """Install with uv; return whether it worked."""
    uv = UV_FOLDER / "bin" / "uv"
    if not uv.exists():
        command = pip("install", "--quiet", "--no-deps", "--only-binary", ":all:", "--target", str(UV_FOLDER))
        if not quiet([*command, "--require-hashes", "-r", str(ROOT / INSTALLER_LOCK)]):
            return False
    command = [str(uv), "pip", "sync", "--quiet", "--python", str(PYTHON), "--require-hashes", lock]
    return quiet(command, env={**uv_settings(), **os.environ})


def install_with_pip(lock: str) -> bool:
    """Install with pip; return whether it worked."""
    say("… with pip, which takes a minute.")
    return subprocess.run([*pip("install", "-qq", "--require-hashes"), "-r", lock], cwd=ROOT).returncode == 0  # nosec B603


def uv_settings() -> dict[str, str]:
    """Translate pip's configuration, which uv does not read, into uv's environment."""
    listed = subprocess.run(pip("config", "list"), capture_output=True, text=True).stdout  # nosec B603
    # As with pip, every index counts the same; the hashes say which file is the right one.
    settings = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        name = PIP_TO_UV.get(key.rpartition(".")[2])
        if name:
            separator = "," if name == "UV_FIND_LINKS" else " "
            settings[name] = separator.join(value.strip("'\"").replace("\\n", " ").split())
    return settings


def pip(*arguments: str) -> list[str]:
    """Return the command line of the environment's own pip."""
    return [str(PYTHON), "-m", "pip", "--disable-pip-version-check", *arguments]


def quiet(command: list[str], env: dict[str, str] | None = None) -> bool:
    """Run a command without a word; return whether it worked."""
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True).returncode == 0  # nosec B603


def say(text: str) -> None:
    """Tell whoever waits what is going on."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def stop(text: str) -> None:
    """End with a sentence that says what to do."""
    sys.exit(text)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in LOCKS:
        stop("Usage: python3 tools/bootstrap.py run|dev")
    main(sys.argv[1])
