process RIBOSPACE_MAP {
    tag "${meta.id}"
    label 'process_medium'

    conda "${moduleDir}/environment.yml"
    container "ribospace:0.1.0"

    input:
    tuple val(meta), path(molecules)
    val model
    val method

    output:
    tuple val(meta), path("${prefix}.html"), emit: map
    path "versions.yml", emit: versions

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    export OMP_NUM_THREADS=${task.cpus}
    export NUMBA_CACHE_DIR=\$PWD/.numba MPLCONFIGDIR=\$PWD/.matplotlib

    ribospace import ${molecules} --to collection
    ribospace embed collection --model ${model}
    ribospace map \\
        collection \\
        --model ${model} \\
        --method ${method} \\
        --out ${prefix}.html \\
        ${args}

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        ribospace: \$(ribospace --version | sed 's/ribospace //')
    END_VERSIONS
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    touch ${prefix}.html

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        ribospace: \$(ribospace --version | sed 's/ribospace //')
    END_VERSIONS
    """
}
