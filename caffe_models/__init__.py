"""The room of Caffe's files: definitions, weights and means are read and written here, and rebuilt into other nets.

``definition.read_net`` gives a V2 NetParameter, ``phases.for_state`` the layers of one phase, ``weights.read_weights``
and ``weights.fit`` the arrays; ``surgery`` and ``deploy`` change a net, ``writer`` stores it.
"""
