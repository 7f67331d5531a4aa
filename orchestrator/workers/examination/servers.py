"""Does a server answer?"""

import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping

SECONDS_TO_ANSWER = 4.0


def problem_at(url: str, headers: Mapping[str, str] | None = None) -> str | None:
    """Why the server there gives no answer, if so. Asked directly, through no proxy."""
    request = urllib.request.Request(url)
    for name, value in (headers or {}).items():
        request.add_unredirected_header(name, value)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=SECONDS_TO_ANSWER):
            return None
    except urllib.error.HTTPError as error:
        error.close()
        return f"it answers {error.code} {error.reason}"
    except urllib.error.URLError as error:
        return str(getattr(error.reason, "strerror", None) or error.reason)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return str(error) or type(error).__name__
