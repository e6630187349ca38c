"""What the build under test has: strongroom-fips leaves out what is not approved, and refuses it by name."""

from strongroom.crypto import build_info

IS_FIPS = build_info()["crypto_library"] == "AWS-LC FIPS"
HAS_ARGON2ID = not IS_FIPS
