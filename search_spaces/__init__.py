"""What can be tuned: domains with scales, spaces with conditions and constraints, and shipped spaces by name.

Stands on the standard library alone: it knows no trials, no models and no random numbers.
"""

from search_spaces.choices import Choice, Fixed
from search_spaces.codec import domain_from_json
from search_spaces.domain import Domain
from search_spaces.errors import SpaceError
from search_spaces.numeric import Float, Int
from search_spaces.shipped import load, shipped
from search_spaces.space import Space

__all__ = ["Choice", "Domain", "Fixed", "Float", "Int", "Space", "SpaceError", "domain_from_json", "load", "shipped"]
