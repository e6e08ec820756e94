"""Inputs that are made to do harm. Each would leave the file ``won`` behind, or would never end.

Those of images, archives, stores and tables are beside the code that reads them: ``tests/data/test_source.py`` (paths
out of a zip, bombs, links), ``tests/data/test_tiff.py`` (absurd sizes, bombs), ``tests/data/test_images.py``,
``tests/data/test_image_folder.py`` and ``tests/data/test_table.py`` (links and paths that lead out), and
``tests/data/test_cifar10.py`` (pickles, archives).
"""
