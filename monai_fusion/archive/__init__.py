"""Pulling studies from an archive (PACS) and sending results to it, by DICOMweb or by DIMSE."""
