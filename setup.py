"""What setup.cfg cannot say: besides the packages that are found, ``configs/`` travels as a package of data."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["eurosat_cls*"]), "eurosat_cls.configs"],
    package_dir={"eurosat_cls.configs": "configs"},
)
