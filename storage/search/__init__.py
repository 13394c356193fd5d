"""Reading of the store on behalf of somebody: regions of the sky, pages, streams."""

from storage.search.page import MAX_LIMIT, Page
from storage.search.region import Region
from storage.search.search import Search

__all__ = ["MAX_LIMIT", "Page", "Region", "Search"]
