"""Our UserSig against the vendor's own npm package, at the version and with the digest of vendor/package-lock.json."""
import os
import shutil
import sys
import unittest

from harness import BUILD, ROOT, run, run_ok

VENDOR = ROOT / "tests/e2e/vendor"
FOLDER = BUILD / "tests/usersig_vendor"


class UserSigVendor(unittest.TestCase):
    def test_ours_and_the_vendors_agree(self):
        modules = FOLDER / "node_modules"
        if not (modules / "tls-sig-api-v2").exists():
            FOLDER.mkdir(parents=True, exist_ok=True)
            for file in VENDOR.glob("package*.json"):
                shutil.copy(file, FOLDER)
            run_ok("npm", "ci", "--prefix", FOLDER, "--no-audit", "--no-fund", environment=dict(os.environ), timeout=200)
        done = run("node", ROOT / "tests/e2e/usersig_vendor.mjs", BUILD / "tests/usersig_tool", modules)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    if not shutil.which("npm"):
        sys.exit(77)  # ctest: skipped
    unittest.main()
