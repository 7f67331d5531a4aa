"""The shipped studies are listed without importing anything, and train."""

import subprocess
import sys

import pytest

from orchestrator.studies import shipped
from orchestrator.study_file import read_study
